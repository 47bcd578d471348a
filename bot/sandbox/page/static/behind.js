// The drawer: what the bot does, and switches that inject faults.

import { html, useEffect, useState } from "./hooks.js";
import { Icon } from "./icons.js";
import { merge } from "./state.js";

export function Behind({ close }) {
  const [parts] = useState(() => new Map());
  const [, redraw] = useState(0);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const stream = new EventSource("/behind");
    stream.onmessage = (event) => {
      merge(JSON.parse(event.data), parts);
      redraw((count) => count + 1);
    };
    return () => stream.close();
  }, []);
  const act = async (control) => {
    setBusy(true);
    await fetch("/behind", { method: "POST", body: JSON.stringify(control) });
    setBusy(false);
  };
  // What was chosen is shown at once; the stream confirms it.
  const flip = (one, on) => {
    one.on = on;
    act({ do: "flip", switch: one.label, on });
  };
  const replace = (dialect) => {
    parts.get("dialect").chosen = dialect;
    act({ do: "replace", dialect });
  };
  const bot = parts.get("bot") || {};
  return html`<aside class="behind" aria-label="Behind the scenes" aria-busy=${busy}>
    <header class="pane-header"><h2>Behind the scenes</h2>
      <button class="quiet" aria-label="Close Behind the scenes" title="Close" onClick=${close}>
        <${Icon} name="close" /></button></header>
    <h3>Faults</h3>
    ${(parts.get("switches") || []).map(
      (one) => html`<label class="switch"><input type="checkbox" role="switch" checked=${one.on}
        onChange=${(event) => flip(one, event.target.checked)} />${one.label}</label>`,
    )}
    <div class="buttons">
      <button class="button danger" onClick=${() => act({ do: "restart" })}>
        Kill and restart the bot</button>
    </div>
    <p>${bot.pid ? `The bot is running as process ${bot.pid}` : "The bot is not running"}${
      bot.pid && !bot.connected ? ", and is not connected yet" : ""}.</p>
    <label>Video server works like
      <select onChange=${(event) => replace(event.target.value)}>
        ${parts.get("dialect")?.all.map(
          (name) => html`<option value=${name} selected=${name === parts.get("dialect").chosen}>
            ${NAMES[name] || name}</option>`,
        )}
      </select></label>
    <p><small>Another server has none of these videos. The bot restarts with that server's models.
    </small></p>
    <${Jobs} jobs=${parts.get("jobs") || []} />
    <${Acks} envelopes=${parts.get("envelopes") || []} />
    <${Requests} requests=${parts.get("requests") || []} />
    <h3 id="log">The bot's log</h3>
    <pre tabindex="0" role="region" aria-labelledby="log">${parts.get("log")}</pre>
  </aside>`;
}

const NAMES = {
  openai: "OpenAI's specification",
  openai_guide: "OpenAI's video guide",
  vllm_omni: "vLLM-Omni",
  sglang: "SGLang-Diffusion",
  litellm: "LiteLLM",
  aquiles: "Aquiles-Image",
};

function Jobs({ jobs }) {
  return html`<h3>Jobs: the rows in the bot's database</h3>
    ${!jobs.length && html`<p><small>None yet.</small></p>`}
    ${jobs.map(
      (job) => html`<details key=${job.id}>
        <summary><b>${job.state}</b>${" "}${job.progress ? `${job.progress} % ` : ""}
          <code>${job.id}</code>${" "}${job.prompt.slice(0, 40)}</summary>
        <table><tbody>${Object.entries(job).map(
          ([name, value]) => html`<tr><th scope="row">${name}</th><td>${String(value)}</td></tr>`,
        )}</tbody></table>
      </details>`,
    )}`;
}

// Slack waits three seconds for each acknowledgement.
function Acks({ envelopes }) {
  return html`<h3>What Slack sent to the bot, and when it was acknowledged</h3>
    <table><thead><tr><th scope="col">Sent</th><th scope="col">What</th><th scope="col">Ack</th></tr></thead>
    <tbody>${[...envelopes].reverse().map(
      (each) => html`<tr key=${each.id}>
        <td>${each.sent.length ? clock(each.sent[0]) : "–"}</td><td>${each.kind} ${each.what}</td>
        <td class=${each.took === null ? "bad" : ""}>${each.took === null ? "none" : `${Math.round(each.took * 1000)} ms`}</td></tr>`,
    )}</tbody></table>`;
}

function Requests({ requests }) {
  return html`<h3>What the bot asked of Slack and of the video server</h3>
    <table><thead><tr><th scope="col">At</th><th scope="col">Of</th><th scope="col">Request</th><th scope="col">Result</th></tr></thead>
    <tbody>${[...requests].reverse().map(
      (each) => html`<tr><td>${clock(each.at)}</td><td class="of">${each.to}</td><td>${each.what}</td>
        <td class=${each.good ? "" : "bad"}>${each.result}</td></tr>`,
    )}</tbody></table>`;
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");
