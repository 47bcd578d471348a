// The whole page: who one is, where one is, and what is open.

import { html, render, useEffect, useState } from "./hooks.js";
import { Behind } from "./behind.js";
import { Conversation, Home, Sign, Thread, titleOf } from "./conversation.js";
import { Icon } from "./icons.js";
import { Confirm, Modal } from "./modal.js";
import { pathOf } from "./mrkdwn.js";
import { Screen } from "./screen.js";
import { act, follow, parts, places, start } from "./state.js";

const NARROW = matchMedia("(max-width: 719px)");

function App() {
  const [route, setRoute] = useState(readRoute);
  const [, redraw] = useState(0);
  const [online, setOnline] = useState(true);
  const [question, setQuestion] = useState(null);
  const [errorText, showError] = useState("");
  const [menu, setMenu] = useState(false);
  const [behind, setBehind] = useState(() => sessionStorage.getItem("behind") === "yes");
  const me = personOf(route.who);

  useEffect(() => {
    const turn = () => setRoute(readRoute());
    addEventListener("hashchange", turn);
    return () => removeEventListener("hashchange", turn);
  }, []);
  useEffect(() => {
    const changed = () => {
      setOnline(true);
      redraw((count) => count + 1);
    };
    follow(me.id, changed, () => setOnline(false));
  }, [me.id]);
  useEffect(() => {
    if (route.place === "home") act("open_home", { tab: "home" });
    setMenu(false);
    showError("");
  }, [me.id, route.place]);
  useEffect(keepFocus);
  useEffect(() => {
    document.title = `${title(route)} – video-bot`;
  });
  useEffect(() => sessionStorage.setItem("behind", behind ? "yes" : ""), [behind]);

  const go = (href) => {
    location.hash = href;
  };
  const screen = {
    route,
    go,
    showError,
    problems: {},
    ask: (confirm) => new Promise((answer) => setQuestion({ confirm, answer })),
    perform: async (name, fields) => {
      const wrong = await act(name, fields);
      showError(wrong ? wrong.error : "");
    },
  };
  const answer = (yes) => {
    setQuestion(null);
    question.answer(yes);
  };
  const modal = (parts.get("modals") || []).at(-1);
  const place = placeOf(route);
  const ready = parts.has("bot");
  return html`<${Screen.Provider} value=${screen}>
    <div class="app ${route.thread ? "with-thread" : ""} ${menu ? "with-menu" : ""}">
      <${TopBar} ...${{ route, go, menu, setMenu, behind, setBehind }} />
      <${Sidebar} route=${route} hidden=${NARROW.matches && !menu} />
      <main>
        ${ready && !online &&
        html`<p class="banner" role="status">Connecting to the page's server …</p>`}
        ${ready && online && !parts.get("bot").connected &&
        html`<p class="banner" role="status">The bot is not connected to Slack.</p>`}
        ${ready && route.place === "home" && html`<${Home} view=${parts.get("home")} />`}
        ${ready && place && html`<${Conversation} key=${place.id} place=${place} />`}
        ${ready && !place && route.place !== "home" &&
        html`<p class="notice">${me.label} does not see a conversation of this name.</p>`}
        ${errorText &&
        html`<div class="error-banner" role="alert">⚠ ${errorText}
          <button class="quiet" aria-label="Dismiss" onClick=${() => showError("")}><${Icon} name="close" /></button></div>`}
      </main>
      ${place && route.thread && html`<${Thread} place=${place} ts=${route.thread} />`}
      ${behind && html`<${Behind} close=${() => setBehind(false)} />`}
    </div>
    ${modal && html`<${Modal} key=${modal.root_view_id} view=${modal} />`}
    ${question && html`<${Confirm} confirm=${question.confirm} answer=${answer} />`}
  <//>`;
}

// A card that changes takes its buttons away: the focus of a button that is gone goes to the
// message field, and not to the top of the page.
let focused = null;
addEventListener("focusin", (event) => {
  focused = event.target;
});

function keepFocus() {
  const lost = focused && !focused.isConnected && document.activeElement === document.body;
  if (lost && !document.querySelector("dialog")) {
    document.querySelector(".composer textarea, [role=tab]")?.focus();
  }
}

// #/ada/videos/1700000000.000100: the person, the conversation, the thread.
function readRoute() {
  const [, who, place, thread] = location.hash.split("/").map(decodeURIComponent);
  return { who: who || start.people[0].name, place: place || "videos", thread: thread || "" };
}

const personOf = (name) => start.people.find((each) => each.name === name) || start.people[0];
const placeOf = (route) => places().find((place) => pathOf(place) === route.place);
const title = (route) => (route.place === "home" ? "Home" : titleOf(placeOf(route) || { name: "" }));

function TopBar({ route, go, menu, setMenu, behind, setBehind }) {
  return html`<header class="top">
    <button class="quiet menu-button" aria-expanded=${menu} aria-controls="nav"
      aria-label="Channels" onClick=${() => setMenu(!menu)}><${Icon} name="menu" /></button>
    <b class="team">Sandbox Slack</b>
    <label class="you"><span>You are</span>
      <select onChange=${(event) => go(`#/${event.target.value}/${route.place}`)}>
        ${start.people.map(
          (each) => html`<option value=${each.name} selected=${each.name === route.who}>
            ${each.label}</option>`,
        )}
      </select>
    </label>
    <button class="quiet" aria-expanded=${behind} onClick=${() => setBehind(!behind)}>
      Behind the scenes</button>
  </header>`;
}

function Sidebar({ route, hidden }) {
  const all = places().sort((a, b) => a.archived - b.archived);
  const item = (place, words) => html`<li><a
    href="#/${route.who}/${pathOf(place)}" class=${place.archived ? "archived" : ""}
    aria-label=${titleOf(place)} aria-current=${here(place) ? "page" : undefined}><${Sign} place=${place} />${words}</a></li>`;
  const here = (place) =>
    route.place === pathOf(place) || (place.kind === "im" && route.place === "home");
  return html`<nav id="nav" aria-label="Channels and direct messages">
    <h2>Channels</h2>
    <ul>${all.filter((place) => place.kind !== "im").map((place) => item(place, place.name))}</ul>
    <h2>Direct messages and apps</h2>
    <ul>${all.filter((place) => place.kind === "im").map((place) => item(place, titleOf(place)))}</ul>
  </nav>`;
}

render(html`<${App} />`, document.getElementById("root"));
