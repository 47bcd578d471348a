// Slack's mrkdwn as elements; text stays text, so markup that people type is never HTML.

import { html } from "./hooks.js";
import { EMOJI } from "./emoji.js";
import { places, nameOf, start } from "./state.js";

const TOKEN = new RegExp(
  [
    "```([\\s\\S]+?)```", // 1 preformatted
    "`([^`\\n]+)`", // 2 code
    "<([^<>\\n]+)>", // 3 a mention, a link, a date
    ":([a-z0-9_+-]+):", // 4 emoji
    "(?<![\\w*])\\*(?=\\S)([^*\\n]*[^*\\s])\\*(?![\\w*])", // 5 bold
    "(?<![\\w_])_(?=\\S)([^_\\n]*[^_\\s])_(?![\\w_])", // 6 italic
    "(?<![\\w~])~(?=\\S)([^~\\n]*[^~\\s])~(?![\\w~])", // 7 struck
  ].join("|"),
);

export function Mrkdwn({ text }) {
  const lines = text.split("\n");
  const out = [];
  for (let at = 0; at < lines.length; at++) {
    const quoted = [];
    while (at < lines.length && lines[at].startsWith("&gt;")) {
      quoted.push(lines[at++].replace(/^&gt; ?/, ""));
    }
    if (quoted.length) out.push(html`<blockquote>${inline(quoted.join("\n"))}</blockquote>`);
    if (at >= lines.length) break;
    const rest = [];
    while (at < lines.length && !lines[at].startsWith("&gt;")) rest.push(lines[at++]);
    at--;
    out.push(inline(rest.join("\n")));
  }
  return out;
}

function inline(text) {
  const out = [];
  while (text) {
    const found = TOKEN.exec(text);
    if (!found) break;
    out.push(plain(text.slice(0, found.index)), token(found));
    text = text.slice(found.index + found[0].length);
  }
  return [...out, plain(text)];
}

function token([all, pre, code, angle, emoji, bold, italic, struck]) {
  if (pre) return html`<pre>${plain(pre.replace(/^\n/, ""))}</pre>`;
  if (code) return html`<code>${plain(code)}</code>`;
  if (angle) return special(angle);
  if (emoji) return emojiNamed(emoji);
  if (bold) return html`<b>${inline(bold)}</b>`;
  if (italic) return html`<i>${inline(italic)}</i>`;
  if (struck) return html`<s>${inline(struck)}</s>`;
  return all;
}

function special(inside) {
  const [what, label] = split(inside, "|");
  if (what.startsWith("@")) return mention(what.slice(1));
  if (what.startsWith("#")) return channel(what.slice(1));
  if (what.startsWith("!date^")) return date(what, plain(label));
  if (what.startsWith("!")) return html`<span class="mention">@${what.slice(1)}</span>`;
  return link(what, label ? inline(label) : plain(what));
}

const split = (text, by) => {
  const at = text.indexOf(by);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
};

// Slack escapes these three characters, and no others.
export const plain = (text) =>
  text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export const mention = (id) => html`<span class="mention">@${nameOf(id)}</span>`;

export function channel(id) {
  const place = places().find((each) => each.id === id);
  const name = place ? place.name : "private-channel";
  return html`<a class="mention" href=${place ? hrefTo(place) : undefined}>#${name}</a>`;
}

export function link(url, label) {
  const inside = permalink(url);
  if (inside) return html`<a href=${inside}>${label}</a>`;
  return html`<a href=${url} target="_blank" rel="noopener noreferrer">${label}</a>`;
}

export function emojiNamed(name) {
  if (EMOJI[name]) return html`<span role="img" aria-label=${name}>${EMOJI[name]}</span>`;
  return html`<span class="no-emoji">:${name}:</span>`;
}

// A permalink of this workspace opens here, as in Slack.
function permalink(url) {
  const found = new RegExp(
    `^https://${start.domain}\\.slack\\.com/archives/(\\w+)/p(\\d+)(\\d{6})(?:\\?(.*))?$`,
  ).exec(url);
  const place = found && places().find((each) => each.id === found[1]);
  if (!place) return "";
  const thread = new URLSearchParams(found[4] || "").get("thread_ts");
  return hrefTo(place, thread || `${found[2]}.${found[3]}`);
}

export const pathOf = (place) => (place.kind === "im" ? "messages" : place.name);

export function hrefTo(place, thread = "") {
  const who = location.hash.slice(2).split("/")[0];
  return `#/${who}/${pathOf(place)}${thread ? `/${thread}` : ""}`;
}

// docs.slack.dev: formatting message text, date formatting.
export function date(inside, fallback) {
  const [, seconds, format, url] = inside.split("^");
  const when = new Date(Number(seconds) * 1000);
  if (Number.isNaN(when.getTime())) return fallback;
  const known = /\{([a-z_]+)\}/g;
  const words = format.replace(known, (all, name) => (DATES[name] ? DATES[name](when) : all));
  const shown = html`<time datetime=${when.toISOString()} title=${when.toLocaleString()}
    >${words}</time>`;
  return url ? link(url, shown) : shown;
}

const intl = (options) => (when) => new Intl.DateTimeFormat(undefined, options).format(when);
const pretty = (options) => (when) => relativeDay(when) || intl(options)(when);
const LONG = { weekday: "long", year: "numeric", month: "long", day: "numeric" };
const USUAL = { year: "numeric", month: "long", day: "numeric" };
const SHORT = { year: "numeric", month: "short", day: "numeric" };
const TIME = { hour: "numeric", minute: "2-digit" };
const DATES = {
  date_num: (when) => when.toISOString().slice(0, 10),
  date: intl(USUAL),
  date_short: intl(SHORT),
  date_long: intl(LONG),
  date_pretty: pretty(USUAL),
  date_short_pretty: pretty(SHORT),
  date_long_pretty: pretty(LONG),
  time: intl(TIME),
  time_secs: intl({ ...TIME, second: "2-digit" }),
  ago: (when) => ago(when),
};

export const time = DATES.time;
export const day = pretty({ weekday: "long", month: "long", day: "numeric" });

function relativeDay(when) {
  const midnight = (date) => new Date(date).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(when) - midnight(Date.now())) / 86_400_000);
  return { "-1": "Yesterday", 0: "Today", 1: "Tomorrow" }[days] || "";
}

function ago(when) {
  const minutes = Math.round((when - Date.now()) / 60_000);
  return new Intl.RelativeTimeFormat().format(minutes, "minute");
}
