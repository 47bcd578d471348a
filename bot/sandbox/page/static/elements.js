// Buttons, menus and fields. In a message and in Home they tell the app at once; in a modal most
// of them keep what is entered until the modal is submitted. The server decides which do what.

import { html, useContext, useEffect, useId, useRef, useState } from "./hooks.js";
import { Text, Unknown } from "./blocks.js";
import { Icon } from "./icons.js";
import { Screen } from "./screen.js";
import { people, places, upload } from "./state.js";

// An element outside of an input block.
export function Element({ element, block, where }) {
  switch (element.type) {
    case "button":
      return html`<${Button} ...${{ element, block, where }} />`;
    case "overflow":
      return html`<${Overflow} ...${{ element, where }} />`;
    case "image":
      return html`<img src=${element.image_url} alt=${element.alt_text} />`;
    default: {
      const label = element.placeholder?.text || element.action_id;
      return html`<${Field} ...${{ element, where, block, label }} />`;
    }
  }
}

function Button({ element, block, where }) {
  const { ask, perform } = useContext(Screen);
  const [busy, setBusy] = useState(false);
  const click = async () => {
    if (element.confirm && !(await ask(element.confirm))) return;
    setBusy(true);
    const { action_id, value } = element;
    await perform("click", { where, action_id, value, block_id: block.block_id });
    setBusy(false);
  };
  return html`<button
    class="button ${element.style || ""}"
    aria-label=${element.accessibility_label}
    aria-busy=${busy}
    onClick=${click}
  ><${Text} text=${element.text} /></button>`;
}

function Overflow({ element, where }) {
  const { ask, perform } = useContext(Screen);
  const choose = async (value) => {
    if (element.confirm && !(await ask(element.confirm))) return;
    await perform("choose", { where, name: element.action_id, value });
  };
  const items = element.options.map((option) => [option.text.text, () => choose(option.value)]);
  return html`<${Menu} label="More actions" items=${items}><${Icon} name="more" /><//>`;
}

// A button that opens a menu; arrow keys move, Escape closes and gives the focus back.
export function Menu({ label, items, children, className = "button" }) {
  const [open, setOpen] = useState(false);
  const root = useRef();
  const close = (focus) => {
    setOpen(false);
    if (focus) root.current.querySelector("button").focus();
  };
  useEffect(() => {
    if (open) root.current.querySelector("[role=menuitem]").focus();
  }, [open]);
  const onKeyDown = (event) => {
    if (event.key === "Escape" && open) {
      event.preventDefault();
      close(true);
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !open) return;
    event.preventDefault();
    const all = [...root.current.querySelectorAll("[role=menuitem]")];
    all.at((all.indexOf(document.activeElement) + step) % all.length).focus();
  };
  const onFocusOut = (event) => {
    if (open && !root.current.contains(event.relatedTarget)) close(false);
  };
  return html`<span class="menu" ref=${root} onKeyDown=${onKeyDown} onFocusOut=${onFocusOut}>
    <button class=${className} aria-label=${label} title=${label} aria-haspopup="menu"
      aria-expanded=${open} onClick=${() => setOpen(!open)}>${children}</button>
    ${open &&
    html`<div class="popup" role="menu" aria-label=${label}>
      ${items.map(
        ([words, choose]) => html`<button role="menuitem" onClick=${() => (close(true), choose())}
        >${words}</button>`,
      )}
    </div>`}
  </span>`;
}

// An input block: label, field, hint and what is wrong with it.
export function Input({ block, where, view }) {
  const { problems } = useContext(Screen);
  const id = useId();
  const error = view?.errors[block.block_id] || problems[block.block_id];
  const about = [block.optional && `${id}o`, block.hint && `${id}h`, error && `${id}e`];
  const described = about.filter(Boolean).join(" ") || undefined;
  const grouped = ["radio_buttons", "checkboxes"].includes(block.element.type);
  const field = html`<${Field}
    ...${{ block, where, view, id, error }}
    element=${block.element}
    describedby=${described}
    label=${block.label.text}
  />`;
  const optional =
    block.optional && html`<span class="optional" id="${id}o"> (optional)</span>`;
  const below = html`${error && html`<p class="error" id="${id}e">⚠ ${error}</p>`}
  ${block.hint && html`<p class="hint" id="${id}h"><${Text} text=${block.hint} /></p>`}`;
  return html`<div class="block input ${error ? "invalid" : ""}">
    ${grouped
      ? html`<div class="label"><span id="${id}l"><${Text} text=${block.label} /></span>${optional}</div>`
      : html`<div class="label"><label for=${id}><${Text} text=${block.label} /></label>${optional}</div>`}
    ${field} ${below}
  </div>`;
}

const TEXT_TYPES = {
  plain_text_input: "text",
  number_input: "number",
  email_text_input: "email",
  url_text_input: "url",
  datepicker: "date",
  timepicker: "time",
};

function Field(props) {
  const { element } = props;
  switch (element.type) {
    case "plain_text_input":
    case "number_input":
    case "email_text_input":
    case "url_text_input":
    case "datepicker":
    case "timepicker":
      return html`<${Typed} ...${props} type=${TEXT_TYPES[element.type]} />`;
    case "static_select":
      return html`<${Select} ...${props} groups=${groupsOf(element)} />`;
    case "multi_static_select":
      return html`<${Select} ...${props} groups=${groupsOf(element)} multiple />`;
    case "users_select":
      return html`<${Select} ...${props} groups=${[["", everyone()]]} />`;
    case "multi_users_select":
      return html`<${Select} ...${props} groups=${[["", everyone()]]} multiple />`;
    case "conversations_select":
    case "channels_select":
      return html`<${Select} ...${props} groups=${[["", conversations()]]} />`;
    case "multi_conversations_select":
      return html`<${Select} ...${props} groups=${[["", conversations()]]} multiple />`;
    case "radio_buttons":
      return html`<${Choices} ...${props} type="radio" />`;
    case "checkboxes":
      return html`<${Choices} ...${props} type="checkbox" />`;
    case "file_input":
      return html`<${Files} ...${props} />`;
    default:
      return html`<${Unknown} what="element" type=${element.type} />`;
  }
}

const everyone = () =>
  people().filter((user) => !user.is_bot).map((user) => [user.id, titled(user.name)]);

export const titled = (name) => name.charAt(0).toUpperCase() + name.slice(1);

const conversations = () =>
  places().map((place) => [place.id, place.kind === "im" ? "Direct message" : `#${place.name}`]);

function groupsOf(element) {
  const pairs = (options) => options.map((option) => [option.value, option.text.text]);
  if (element.options) return [["", pairs(element.options)]];
  return element.option_groups.map((group) => [group.label.text, pairs(group.options)]);
}

// What the sandbox holds for this field; in a message, what the element says.
function entered({ block, element, view }) {
  const state = view?.state.values[block.block_id]?.[element.action_id] || {};
  const names = Object.keys(state).filter((name) => name !== "type");
  return names.length ? state[names[0]] : null;
}

function initial(element) {
  const name = Object.keys(element).find((each) => each.startsWith("initial_"));
  return name ? element[name] : null;
}

const valuesOf = (state) =>
  (Array.isArray(state) ? state : state === null ? [] : [state]).map((each) =>
    typeof each === "object" ? each.value || each.id : String(each),
  );

// What was just chosen, until the sandbox's state says what holds.
function useChosen({ block, element, view }) {
  const held = valuesOf(view ? entered({ block, element, view }) : initial(element));
  const [choice, setChoice] = useState(null);
  useEffect(() => setChoice(null), [held.join("\n")]);
  return [choice || held, setChoice];
}

// Enter a value where the field is: in the modal on top, or in a message or Home.
function useEnter({ block, element, where }) {
  const { fill, perform } = useContext(Screen);
  return (value) =>
    where.view && block.type === "input"
      ? fill(block.block_id, value)
      : perform("choose", { where, name: block.block_id, value });
}

function Typed({ element, block, where, view, id, error, describedby, label, type }) {
  const enter = useEnter({ block, element, where });
  const { perform } = useContext(Screen);
  const inHome = view?.type === "home";
  // Home has no submit button: its fields tell the app when Enter is pressed.
  const pressed = (event) => {
    if (!inHome || event.key !== "Enter") return;
    event.preventDefault();
    perform("choose", { where, name: block.block_id, value: event.target.value || null });
  };
  const shared = {
    id,
    onKeyDown: pressed,
    "aria-label": id ? undefined : label,
    "aria-describedby": describedby,
    "aria-invalid": error ? "true" : undefined,
    autofocus: element.focus_on_load,
    placeholder: element.placeholder?.text,
    // Only what the sandbox held first: while it is open, the field is the person's.
    defaultValue: entered({ block, element, view }) ?? initial(element) ?? "",
    onInput: (event) => inHome || enter(event.target.value || null),
  };
  if (element.multiline) return html`<textarea rows="4" ...${shared}></textarea>`;
  return html`<input type=${type} step=${element.is_decimal_allowed ? "any" : undefined}
    autocomplete="off" ...${shared} />`;
}

function Select({ element, block, where, view, id, error, describedby, label, groups, multiple }) {
  const enter = useEnter({ block, element, where });
  const [chosen, setChosen] = useChosen({ block, element, view });
  const option = ([value, words]) =>
    html`<option key=${value} value=${value} selected=${chosen.includes(value)}>${words}</option>`;
  const change = (event) => {
    const values = [...event.target.selectedOptions].map((each) => each.value).filter(Boolean);
    setChosen(values);
    enter(multiple ? values : values[0] || null);
  };
  // A click adds or takes away one, without the Ctrl key.
  const toggle = (event) => {
    if (!multiple || event.target.tagName !== "OPTION") return;
    event.preventDefault();
    event.target.selected = !event.target.selected;
    event.currentTarget.focus();
    change({ target: event.currentTarget });
  };
  const all = groups.flatMap(([, options]) => options);
  return html`<select id=${id} aria-label=${id ? undefined : label} aria-describedby=${describedby}
    aria-invalid=${error ? "true" : undefined} multiple=${multiple}
    size=${multiple ? Math.min(6, all.length) : undefined}
    onChange=${change} onMouseDown=${toggle}>
    ${!multiple && !chosen.length && html`<option value="">Choose…</option>`}
    ${groups.map(([name, options]) =>
      name ? html`<optgroup label=${name}>${options.map(option)}</optgroup>` : options.map(option),
    )}
  </select>`;
}

function Choices({ element, block, where, view, id, error, describedby, label, type }) {
  const enter = useEnter({ block, element, where });
  const [chosen, setChosen] = useChosen({ block, element, view });
  const change = (value, checked) => {
    const others = type === "radio" ? [] : chosen.filter((each) => each !== value);
    const values = checked ? [...others, value] : others;
    setChosen(values);
    enter(type === "radio" ? value : values);
  };
  return html`<div class="choices" role=${type === "radio" ? "radiogroup" : "group"}
    aria-labelledby=${id ? `${id}l` : undefined} aria-label=${id ? undefined : label}
    aria-describedby=${describedby} aria-invalid=${type === "radio" && error ? "true" : undefined}>
    ${element.options.map(
      (option) => html`<label key=${option.value}>
        <input type=${type} name=${block.block_id} value=${option.value}
          checked=${chosen.includes(option.value)}
          onChange=${(event) => change(option.value, event.target.checked)} />
        <span><${Text} text=${option.text} />
        ${option.description && html`<small><${Text} text=${option.description} /></small>`}</span>
      </label>`,
    )}
  </div>`;
}

function Files({ element, block, view, id, error, describedby }) {
  const { attach, showError } = useContext(Screen);
  const held = entered({ block, element, view }) || [];
  const change = async (event) => {
    const files = [...event.target.files];
    const uploaded = await Promise.all(files.map(upload));
    if (uploaded.includes(null)) showError("The file could not be uploaded.");
    const ids = uploaded.filter(Boolean).map((file) => file.id);
    await attach(block.block_id, ids);
  };
  const types = element.filetypes?.map((type) => `.${type}`).join(",");
  return html`<div class="files">
    <input type="file" id=${id} aria-describedby=${describedby} accept=${types}
      aria-invalid=${error ? "true" : undefined} multiple=${(element.max_files ?? 10) > 1}
      onChange=${change} />
    ${held.map((file) => html`<span class="held"><${Icon} name="clip" /> ${file.name}, ${sizeInWords(file.size)}</span>`)}
  </div>`;
}

export function sizeInWords(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
