// Dialogs: the app's modals, and the small ones that ask before a button takes effect.

import { html, useContext, useEffect, useId, useRef, useState } from "./hooks.js";
import { Blocks, Text } from "./blocks.js";
import { Screen } from "./screen.js";
import { act } from "./state.js";

// A native dialog holds the focus, and gives it back where it was when it closes.
function Dialog({ className, label, onCancel, children }) {
  const dialog = useRef();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    // Once the dialog is gone: a field that gets the focus under an open one takes no text.
    return () => setTimeout(() => giveBack(before));
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onCancel();
  };
  return html`<dialog ref=${dialog} class=${className} aria-labelledby=${label} onCancel=${cancel}>
    ${children}
  </dialog>`;
}

// The button that opened it may be gone by now: its message has changed.
function giveBack(focus) {
  if (document.querySelector("dialog[open]")) return;
  const target = focus?.isConnected && focus !== document.body ? focus : null;
  (target || document.querySelector(".composer textarea"))?.focus();
}

export function Confirm({ confirm, answer }) {
  const id = useId();
  return html`<${Dialog} className="confirm" label=${id} onCancel=${() => answer(false)}>
    <h2 id=${id}><${Text} text=${confirm.title} /></h2>
    <div class="content"><${Text} text=${confirm.text} /></div>
    <footer>
      <button class="button" onClick=${() => answer(false)}><${Text} text=${confirm.deny} /></button>
      <button class="button ${confirm.style || "primary"}" onClick=${() => answer(true)}>
        <${Text} text=${confirm.confirm} /></button>
    </footer>
  <//>`;
}

export function Modal({ view }) {
  const id = useId();
  const screen = useContext(Screen);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const fields = useRef(new Fields()).current;
  const content = useRef();
  const errors = Object.keys(view.errors).length;

  useEffect(() => {
    const first = "input:not([type=radio]), select, textarea, input:checked";
    (content.current.querySelector("[autofocus]") || content.current.querySelector(first))?.focus();
  }, [view.id]);
  useEffect(() => {
    content.current.querySelector(".invalid :is(input, select, textarea)")?.focus();
  }, [problem, errors]);

  const perform = async (name, extra) => {
    setBusy(true);
    const wrong = (await fields.flush()) || (await act(name, extra));
    setBusy(false);
    setProblem(wrong);
  };
  const submit = (event) => {
    event.preventDefault();
    if (!busy) perform("submit");
  };
  const within = {
    ...screen,
    problems: problem?.field ? { [problem.field]: problem.error } : {},
    fill: async (name, value) => setProblem(await fields.fill(view.id, name, value)),
    attach: async (name, files) => setProblem(await act("attach", { view: view.id, name, files })),
    perform,
  };
  const close = view.close || { type: "plain_text", text: "Close" };
  return html`<${Dialog} className="modal" label=${id} onCancel=${() => perform("close")}>
    <form novalidate onSubmit=${submit}>
      <header><h2 id=${id}><${Text} text=${view.title} /></h2></header>
      <div class="content" ref=${content} tabindex=${-1}>
        ${problem && !problem.field && html`<p class="error" role="alert">⚠ ${problem.error}</p>`}
        <${Screen.Provider} value=${within}>
          <${Blocks} key=${view.id} blocks=${view.blocks} view=${view} where=${{ view: view.id }} />
        <//>
      </div>
      <footer>
        <button class="button" type="button" onClick=${() => perform("close")}>
          <${Text} text=${close} /></button>
        ${view.submit &&
        html`<button class="button primary" aria-busy=${busy}><${Text} text=${view.submit} /></button>`}
      </footer>
    </form>
  <//>`;
}

// What is typed goes to the sandbox at once, one request after another, and in any case before
// anything else happens. What was typed meanwhile replaces what has not been sent.
class Fields {
  pending = new Map();
  sending = null;

  fill(view, name, value) {
    this.pending.set(name, { view, name, value });
    return this.flush();
  }

  flush() {
    this.sending ||= this.send().finally(() => (this.sending = null));
    return this.sending;
  }

  async send() {
    while (this.pending.size) {
      const [[name, entered]] = this.pending;
      this.pending.delete(name);
      const wrong = await act("fill", entered);
      if (wrong) return wrong;
    }
    return null;
  }
}
