// Icons as SVG, since not every machine has a font with emoji.

import { html } from "./hooks.js";

const PATHS = {
  lock: "M5 7V5a3 3 0 0 1 6 0v2M4 7h8v6H4z",
  archive: "M2.5 3.5h11v3h-11zM3.5 6.5v6h9v-6M6.5 9h3",
  reply: "M2.5 3h11v8H7l-3 2.5V11H2.5z",
  clip: "M12.5 7.5 8 12a2.5 2.5 0 0 1-3.6-3.6l5-5a1.7 1.7 0 0 1 2.4 2.4l-4.9 4.9a.8.8 0 0 1-1.2-1.2L10 5.2",
  shortcut: "M9 2 4 9h4l-1 5 5-7H8z",
  send: "M3 3l10.5 5L3 13l1.5-5zM4.5 8H9",
  play: "M5.5 3.5v9l7-4.5z",
  close: "M4 4l8 8M12 4l-8 8",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  eye: "M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8zM8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6z",
  picture: "M2.5 3.5h11v9h-11zM2.5 11l3.5-3.5 3 3 2-1.5 2.5 2.5",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
  <path d=${PATHS[name]} /></svg>`;
