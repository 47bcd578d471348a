// Block Kit, drawn as Slack draws it. What is not known here becomes a red box.

import { html, useState } from "./hooks.js";
import { Element, Input } from "./elements.js";
import { Icon } from "./icons.js";
import { Mrkdwn, channel, date, emojiNamed, link, mention } from "./mrkdwn.js";
import { addressOf } from "./state.js";

// `where` says whose blocks these are: {place, ts} of a message, or {view}.
export function Blocks({ blocks, where, view }) {
  // A field keeps what is entered while its id stays the same. Other blocks get new ids with each
  // edit of a message or of Home, which must not draw the button anew that has the focus.
  return blocks.map(
    (block, at) => html`<${Block}
      key=${block.type === "input" ? block.block_id : `${at} ${block.type}`}
      ...${{ block, where, view }} />`,
  );
}

function Block({ block, where, view }) {
  switch (block.type) {
    case "rich_text":
      return html`<div class="block rich"><${Clamped} size=${lengthOf(block)}>
        ${block.elements.map((each) => html`<${RichText} element=${each} />`)}
      <//></div>`;
    case "section":
      return html`<${Section} ...${{ block, where }} />`;
    case "context":
      return html`<div class="block context">
        ${block.elements.map((each) => html`<${ContextElement} element=${each} />`)}
      </div>`;
    case "actions":
      return html`<div class="block actions">
        ${block.elements.map(
          (each) => html`<${Element} key=${each.action_id} element=${each} ...${{ block, where }} />`,
        )}
      </div>`;
    case "header":
      return html`<h2 class="block header"><${Text} text=${block.text} /></h2>`;
    case "divider":
      return html`<hr class="block" />`;
    case "image":
      return html`<figure class="block">
        ${block.title && html`<figcaption><${Text} text=${block.title} /></figcaption>`}
        <${Picture} image=${block} />
      </figure>`;
    case "alert":
      return html`<div class="block alert ${block.level || "default"}" role="note">
        <${Text} text=${block.text} />
      </div>`;
    case "markdown":
      return html`<div class="block"><${Clamped} size=${block.text.length}>${block.text}<//></div>`;
    case "input":
      return html`<${Input} ...${{ block, where, view }} />`;
    default:
      return html`<${Unknown} what="block" type=${block.type} />`;
  }
}

export const Unknown = ({ what, type }) =>
  html`<div class="unknown" role="alert">Unknown ${what}: ${String(type)}</div>`;

export function Text({ text }) {
  switch (text.type) {
    case "mrkdwn":
      return html`<${Mrkdwn} text=${text.text} />`;
    case "plain_text":
      return text.emoji === false ? text.text : withEmoji(text.text);
    default:
      return html`<${Unknown} what="text object" type=${text.type} />`;
  }
}

const withEmoji = (text) =>
  text.split(/(:[a-z0-9_+-]+:)/).map((part, at) => (at % 2 ? emojiNamed(part.slice(1, -1)) : part));

function Section({ block, where }) {
  return html`<div class="block section">
    <div class="words">
      ${block.text &&
      html`<${Clamped} size=${block.text.text.length}><${Text} text=${block.text} /><//>`}
      ${block.fields &&
      html`<div class="fields">
        ${block.fields.map((field) => html`<div><${Text} text=${field} /></div>`)}
      </div>`}
    </div>
    ${block.accessory &&
    html`<div class="accessory"><${Element} element=${block.accessory} ...${{ block, where }} /></div>`}
  </div>`;
}

function ContextElement({ element }) {
  if (element.type === "image") return html`<${Picture} image=${element} />`;
  return html`<span><${Text} text=${element} /></span>`;
}

// Pictures of other hosts are not fetched: no request leaves this machine.
export function Picture({ image }) {
  const url = image.slack_file?.id ? addressOf(image.slack_file.id) : image.image_url || "";
  if (!image.slack_file?.id && !url.startsWith(location.origin)) {
    return html`<span class="no-picture"><${Icon} name="picture" /> ${image.alt_text}</span>`;
  }
  return html`<img src=${url} alt=${image.alt_text} />`;
}

// Long texts are folded, as Slack does.
const LONG = 700;

export function Clamped({ size, children }) {
  const [open, setOpen] = useState(false);
  if (size <= LONG) return children;
  return html`<div class=${open ? "" : "clamped"}>${children}</div>
    <button class="link" aria-expanded=${open} onClick=${() => setOpen(!open)}>
      ${open ? "Show less" : "Show more"}
    </button>`;
}

function lengthOf(value) {
  if (typeof value.text === "string") return value.text.length;
  return (value.elements || []).reduce((sum, each) => sum + lengthOf(each), 0);
}

// Rich text

function RichText({ element }) {
  const inside = () => element.elements.map((each) => html`<${Leaf} leaf=${each} />`);
  switch (element.type) {
    case "rich_text_section":
      return html`<div>${inside()}</div>`;
    case "rich_text_quote":
      return html`<blockquote>${inside()}</blockquote>`;
    case "rich_text_preformatted":
      return html`<pre>${inside()}</pre>`;
    case "rich_text_list": {
      const items = element.elements.map((each) => html`<li><${RichText} element=${each} /></li>`);
      const indent = `indent-${element.indent || 0}`;
      return element.style === "ordered"
        ? html`<ol class=${indent} start=${(element.offset || 0) + 1}>${items}</ol>`
        : html`<ul class=${indent}>${items}</ul>`;
    }
    default:
      return html`<${Unknown} what="rich text element" type=${element.type} />`;
  }
}

function Leaf({ leaf }) {
  switch (leaf.type) {
    case "text":
      return styled(leaf.text, leaf.style);
    case "link":
      return styled(link(leaf.url, leaf.text || leaf.url), leaf.style);
    case "user":
      return styled(mention(leaf.user_id), leaf.style);
    case "channel":
      return styled(channel(leaf.channel_id), leaf.style);
    case "emoji":
      return emojiNamed(leaf.name);
    case "broadcast":
      return html`<span class="mention">@${leaf.range}</span>`;
    case "date":
      return date(`!date^${leaf.timestamp}^${leaf.format}`, leaf.fallback || "");
    default:
      return html`<${Unknown} what="rich text element" type=${leaf.type} />`;
  }
}

const TAGS = { bold: "b", italic: "i", strike: "s", underline: "u", code: "code" };

function styled(inside, style = {}) {
  const tags = Object.keys(TAGS).filter((name) => style[name]);
  return tags.reduce((inner, name) => html`<${TAGS[name]}>${inner}<//>`, inside);
}

