// A conversation with its messages, a thread, and the app's Home.

import { html, useContext, useLayoutEffect, useRef } from "./hooks.js";
import { Blocks, Clamped } from "./blocks.js";
import { Composer } from "./composer.js";
import { Menu, sizeInWords, titled } from "./elements.js";
import { Icon } from "./icons.js";
import { Mrkdwn, day, hrefTo, time } from "./mrkdwn.js";
import { Screen } from "./screen.js";
import { messagesOf, nameOf, parts, people, start } from "./state.js";

export const titleOf = (place) => (place.kind === "im" ? nameOf(start.bot) : `#${place.name}`);

export function Conversation({ place }) {
  const messages = messagesOf(place.id).filter((message) => !message.is_reply);
  return html`<section class="pane conversation" aria-label=${titleOf(place)}>
    ${place.kind === "im"
      ? html`<${AppHeader} tab="messages" />`
      : html`<header class="pane-header"><h1><${Sign} place=${place} />${place.name}</h1></header>`}
    <${Messages} place=${place} messages=${messages} dated />
    <${Below} place=${place} />
  </section>`;
}

export const Sign = ({ place }) => {
  const signs = { private: html`<${Icon} name="lock" />`, im: "●", public: "#" };
  const sign = place.archived ? html`<${Icon} name="archive" />` : signs[place.kind];
  return html`<span class="sign" aria-hidden="true">${sign}</span>`;
};

function Below({ place }) {
  if (place.archived) {
    return html`<p class="notice">You are viewing ${titleOf(place)}, an archived channel.</p>`;
  }
  if (!place.joined) {
    return html`<p class="notice">You are not a member of ${titleOf(place)}.</p>`;
  }
  return html`<${Composer} key=${place.id} place=${place} label="Message ${titleOf(place)}" />`;
}

export function Thread({ place, ts }) {
  const { go } = useContext(Screen);
  const messages = messagesOf(place.id).filter(
    (message) => message.ts === ts || (message.is_reply && message.thread_ts === ts),
  );
  const replies = messages.length - 1;
  return html`<section class="pane thread" aria-label="Thread">
    <header class="pane-header">
      <h2>Thread <small>${titleOf(place)}</small></h2>
      <button class="quiet" aria-label="Close thread" title="Close thread"
        onClick=${() => go(hrefTo(place))}><${Icon} name="close" /></button>
    </header>
    <${Messages} place=${place} messages=${messages} inThread
      rule=${replies > 0 ? countOf(replies) : ""} />
    ${!place.archived &&
    place.joined &&
    html`<${Composer} key=${ts} place=${place} thread=${ts} label="Reply in thread" />`}
  </section>`;
}

export function Home({ view }) {
  return html`<section class="pane conversation" aria-label="Home">
    <${AppHeader} tab="home" />
    <div class="scroll" tabindex="0" role="group" aria-label="Home tab">
      <div class="home">
        ${view
          ? html`<${Blocks} blocks=${view.blocks} where=${{ view: view.id }} view=${view} />`
          : html`<p class="notice">The app has not shown anything here yet.</p>`}
      </div>
    </div>
  </section>`;
}

function AppHeader({ tab }) {
  const { go, route } = useContext(Screen);
  const tabs = { home: "Home", messages: "Messages" };
  const move = (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    go(`#/${route.who}/${tab === "home" ? "messages" : "home"}`);
    requestAnimationFrame(() => document.querySelector("[role=tab][aria-selected=true]")?.focus());
  };
  return html`<header class="pane-header app-header">
    <h1><${Avatar} user=${start.bot} /> ${nameOf(start.bot)} <span class="badge">APP</span></h1>
    <div role="tablist" aria-label="Tabs of the app" onKeyDown=${move}>
      ${Object.entries(tabs).map(
        ([name, words]) => html`<button role="tab" aria-selected=${tab === name}
          tabindex=${tab === name ? 0 : -1} onClick=${() => go(`#/${route.who}/${name}`)}
        >${words}</button>`,
      )}
    </div>
  </header>`;
}

// Messages, oldest first. The end stays in view while it is in view; anywhere else the browser's
// scroll anchoring keeps what is being read where it is, also when a card above it changes.
function Messages({ place, messages, inThread, dated, rule }) {
  const box = useRef();
  const atEnd = useRef(true);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    atEnd.current = scrollTop + clientHeight > scrollHeight - 40;
  };
  useLayoutEffect(() => {
    const stay = () => atEnd.current && (box.current.scrollTop = box.current.scrollHeight);
    stay();
    const observer = new ResizeObserver(stay);
    observer.observe(box.current.firstElementChild);
    observer.observe(box.current);
    return () => observer.disconnect();
  }, [place.id]);
  let last = "";
  return html`<div class="scroll" ref=${box} onScroll=${onScroll} tabindex="0" role="group"
    aria-label=${inThread ? "Messages of the thread" : "Messages"}>
    <div>
      ${!messages.length && html`<${Beginning} place=${place} />`}
      ${messages.map((message, at) => {
        const today = day(dateOf(message));
        const line = dated && today !== last && html`<div class="day"><span>${today}</span></div>`;
        last = today;
        return html`${line}<${Message} key=${message.ts} ...${{ place, message, inThread }} />
          ${rule && at === 0 && html`<div class="rule"><span>${rule}</span></div>`}`;
      })}
    </div>
  </div>`;
}

const Beginning = ({ place }) =>
  place.kind === "im"
    ? html`<p class="notice">Write what the video should show, or type <code>/video</code>.</p>`
    : html`<p class="notice">
        No messages in ${titleOf(place)} yet. Type${" "}
        <code>/video a timelapse of clouds</code>, or only${" "}<code>/video</code>${" "}for the form.
      </p>`;

const dateOf = (message) => new Date(Number(message.ts) * 1000);
const countOf = (replies) => (replies === 1 ? "1 reply" : `${replies} replies`);

function Message({ place, message, inThread }) {
  const { go } = useContext(Screen);
  const who = message.private ? start.bot : message.user;
  const isApp = people().find((user) => user.id === who)?.is_bot;
  const at = dateOf(message);
  const open = () => {
    go(hrefTo(place, message.ts));
    requestAnimationFrame(() => document.querySelector(".thread textarea")?.focus());
  };
  return html`<article class="message ${message.private ? "private" : ""}"
    aria-label="${titled(nameOf(who))}, ${time(at)}">
    <${Avatar} user=${who} />
    <div class="body">
      ${message.private && html`<p class="only-you"><${Icon} name="eye" /> Only visible to you</p>`}
      <p class="by"><b>${isApp ? nameOf(who) : titled(nameOf(who))}</b>
        ${isApp && html`<span class="badge">APP</span>`}
        <time datetime=${at.toISOString()} title=${at.toLocaleString()}>${time(at)}</time></p>
      <${Words} message=${message} place=${place} />
      ${message.files?.map((file) => html`<${File} key=${file.id} file=${file} />`)}
      ${!inThread && message.reply_count > 0 &&
      html`<button class="replies" onClick=${open}>
        ${message.reply_users.map((user) => html`<${Avatar} user=${user} />`)}
        ${countOf(message.reply_count)}
      </button>`}
    </div>
    ${!message.private && !message.tombstone && !place.archived &&
    html`<${Tools} ...${{ message, inThread, open }} />`}
  </article>`;
}

function Words({ message }) {
  const where = { place: message.channel, ts: message.ts };
  const edited = message.edited && html`<small class="edited"> (edited)</small>`;
  if (message.blocks.length) {
    return html`<${Blocks} blocks=${message.blocks} where=${where} />${edited}`;
  }
  if (!message.text) return edited;
  return html`<div class="block ${message.tombstone ? "tombstone" : ""}">
    <${Clamped} size=${message.text.length}><${Mrkdwn} text=${message.text} /><//>${edited}
  </div>`;
}

function Tools({ message, inThread, open }) {
  const { perform } = useContext(Screen);
  const items = start.message_shortcuts.map(({ id, name }) => [
    name,
    () => perform("shortcut", { callback_id: id, place: message.channel, ts: message.ts }),
  ]);
  return html`<div class="tools">
    ${!inThread &&
    html`<button class="quiet" aria-label="Reply in thread" title="Reply in thread"
      onClick=${open}><${Icon} name="reply" /></button>`}
    <${Menu} label="More actions" className="quiet" items=${items}><${Icon} name="more" /><//>
  </div>`;
}

export function Avatar({ user }) {
  const name = nameOf(user);
  const hue = [...user].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 6;
  const look = user === start.bot ? "bot" : `hue-${hue}`;
  return html`<span class="avatar ${look}" aria-hidden="true">
    ${user === start.bot ? html`<${Icon} name="play" />` : name.charAt(0).toUpperCase()}</span>`;
}

// An mp4 plays where it is; the server answers Range requests, so it can be seeked.
function File({ file }) {
  const kind = file.mimetype.split("/")[0];
  return html`<figure class="file">
    <figcaption>
      <span>${file.title || file.name}</span>
      <small>${sizeInWords(file.size)}</small>
      <a href="${file.url}?download" download=${file.name}>Download</a>
    </figcaption>
    ${kind === "video" &&
    html`<video controls playsinline preload="metadata" src=${file.url}
      aria-label=${file.alt || file.title || file.name}></video>`}
    ${kind === "image" && html`<img src=${file.url} alt=${file.alt || file.name} />`}
  </figure>`;
}
