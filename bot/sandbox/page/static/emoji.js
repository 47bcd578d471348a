// The emoji that the bot and people use here, by Slack's names.

export const EMOJI = {
  arrow_right: "➡️", art: "🎨", bell: "🔔", bookmark: "🔖", bulb: "💡", camera: "📷",
  clapper: "🎬", clock1: "🕐", crystal_ball: "🔮", double_vertical_bar: "⏸️", eyes: "👀",
  film_frames: "🎞️", frame_with_picture: "🖼️", grey_question: "❔", hourglass: "⌛",
  hourglass_flowing_sand: "⏳", inbox_tray: "📥", information_source: "ℹ️", key: "🔑",
  large_blue_circle: "🔵", link: "🔗", lock: "🔒", mag: "🔍", memo: "📝", money_with_wings: "💸",
  moneybag: "💰", movie_camera: "🎥", no_entry: "⛔", no_entry_sign: "🚫", outbox_tray: "📤",
  paperclip: "📎", pencil2: "✏️", point_right: "👉", question: "❓", raised_hand: "✋",
  repeat: "🔁", rocket: "🚀", rotating_light: "🚨", satellite_antenna: "📡", smile: "😄",
  sparkles: "✨", speech_balloon: "💬", stopwatch: "⏱️", tada: "🎉", thumbsup: "👍",
  thought_balloon: "💭", timer_clock: "⏲️", video_camera: "📹", warning: "⚠️", wastebasket: "🗑️",
  wave: "👋", white_check_mark: "✅", x: "❌", zap: "⚡", zzz: "💤",
};
