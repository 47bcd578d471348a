// The message field: commands and mentions with hints, and files by drop or picker.

import { html, useContext, useId, useLayoutEffect, useRef, useState } from "./hooks.js";
import { Menu } from "./elements.js";
import { Icon } from "./icons.js";
import { Screen } from "./screen.js";
import { act, people, start, upload } from "./state.js";

export function Composer({ place, thread, label }) {
  const { perform, route, showError } = useContext(Screen);
  const field = useRef();
  const id = useId();
  const draft = `draft/${route.who}/${place.id}/${thread || ""}`;
  const [text, setText] = useState(sessionStorage.getItem(draft) || "");
  const [files, setFiles] = useState([]);
  const [at, setAt] = useState(0);
  const [hidden, setHidden] = useState(false);
  const hints = hidden ? [] : hintsFor(text, thread);

  const write = (words) => {
    setText(words);
    setAt(0);
    setHidden(false);
    sessionStorage.setItem(draft, words);
  };
  useLayoutEffect(() => {
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight + 2}px`;
  }, [text]);

  // The field is free for the next message at once; what was not sent comes back.
  const send = async () => {
    if (!text.trim() && !files.length) return;
    const [words, attached] = [text, files];
    write("");
    setFiles([]);
    const sent = { place: place.id, text: words.trim(), thread_ts: thread || null };
    const wrong = await act("say", { ...sent, files: attached.map((file) => file.id) });
    if (!wrong) return;
    showError(wrong.error);
    if (!field.current.value) write(words);
    setFiles((now) => (now.length ? now : attached));
  };
  const complete = (hint) => {
    write(text.replace(hint.typed, `${hint.words} `));
    field.current.focus();
  };
  const onKeyDown = (event) => {
    if (event.isComposing) return;
    if (hints.length && hintKey(event)) return event.preventDefault();
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    }
  };
  const hintKey = ({ key, shiftKey }) => {
    const chosen = hints[at % hints.length];
    const done = chosen.words === text.trim();
    if (key === "ArrowDown") setAt((at + 1) % hints.length);
    else if (key === "ArrowUp") setAt((at + hints.length - 1) % hints.length);
    else if (key === "Escape") setHidden(true);
    else if (!done && !shiftKey && (key === "Tab" || key === "Enter")) complete(chosen);
    else return false;
    return true;
  };
  const add = async (list) => {
    const uploaded = await Promise.all([...list].map(upload));
    if (uploaded.includes(null)) showError("The file could not be uploaded.");
    setFiles((now) => [...now, ...uploaded.filter(Boolean)]);
    field.current.focus();
  };
  const drop = (event) => {
    event.preventDefault();
    add(event.dataTransfer.files);
  };
  const shortcuts = start.global_shortcuts.map((each) => [
    each.name,
    () => perform("shortcut", { callback_id: each.id }),
  ]);
  const active = hints.length ? `${id}-${at % hints.length}` : undefined;
  return html`<div class="composer" onDrop=${drop} onDragOver=${(event) => event.preventDefault()}>
    ${hints.length > 0 &&
    html`<div class="popup hints" role="listbox" aria-label="Suggestions" id="${id}-hints">
      ${hints.map(
        (hint, number) => html`<div role="option" id="${id}-${number}"
          aria-selected=${number === at % hints.length}
          onMouseDown=${(event) => (event.preventDefault(), complete(hint))}>
          <b>${hint.words}</b> <span>${hint.about}</span>
        </div>`,
      )}
    </div>`}
    <textarea ref=${field} rows="1" aria-label=${label} placeholder=${label} value=${text}
      aria-autocomplete="list" aria-controls=${hints.length ? `${id}-hints` : undefined}
      aria-activedescendant=${active}
      onInput=${(event) => write(event.target.value)} onKeyDown=${onKeyDown}
      onPaste=${(event) => event.clipboardData.files.length && add(event.clipboardData.files)}
    ></textarea>
    ${files.length > 0 &&
    html`<ul class="attached" aria-label="Attached files">
      ${files.map(
        (file) => html`<li><${Icon} name="clip" /> ${file.name}
          <button class="quiet" aria-label="Remove ${file.name}"
            onClick=${() => setFiles(files.filter((each) => each !== file))}><${Icon} name="close" /></button></li>`,
      )}
    </ul>`}
    <div class="row">
      <${Menu} label="Shortcuts" className="quiet" items=${shortcuts}><${Icon} name="shortcut" /><//>
      <label class="quiet attach" title="Attach files"><${Icon} name="clip" />
        <input type="file" multiple aria-label="Attach files"
          onChange=${(event) => (add(event.target.files), (event.target.value = ""))} />
      </label>
      <span class="keys">Enter sends, Shift + Enter makes a new line</span>
      <button class="send" aria-label="Send now" title="Send now" onClick=${send}
        disabled=${!text.trim() && !files.length}><${Icon} name="send" /></button>
    </div>
  </div>`;
}

// A command at the beginning, or a name behind an @ at the end of what is typed so far.
function hintsFor(text, thread) {
  const name = /(?:^|\s)(@\w*)$/.exec(text);
  if (name) {
    return people()
      .filter((user) => `@${user.name}`.startsWith(name[1].toLowerCase()))
      .map((user) => ({ words: `@${user.name}`, typed: /@\w*$/, about: user.is_bot ? "app" : "" }));
  }
  if (thread || !/^\/\S*\s?$/.test(text)) return [];
  return start.commands
    .filter(({ command }) => command.startsWith(text.trim()))
    .map(({ command, hint }) => ({ words: command, typed: /^\/\S*\s?/, about: hint }));
}

