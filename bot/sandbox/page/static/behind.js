import { html } from "./hooks.js";
export function Behind({ close }) { return html`<aside class="behind" aria-label="Behind the scenes"></aside>`; }
