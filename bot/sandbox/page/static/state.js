// The sandbox's state as the server streams it, and the acts that change it.

export const parts = new Map(); // path -> value, as in snapshot.py
export const start = await (await fetch("/start")).json();

export const people = () => parts.get("people") || [];
export const nameOf = (id) => people().find((user) => user.id === id)?.name || id;
export const places = () => under("place/");
export const messagesOf = (place) =>
  under(`message/${place}/`).sort((a, b) => a.ts.localeCompare(b.ts));

function under(prefix) {
  return [...parts].filter(([path]) => path.startsWith(prefix)).map(([, value]) => value);
}

let stream = null;
let me = "";

// Follow the workspace as this person; `changed` is called after each event.
// The browser reconnects by itself, with the Last-Event-ID of what it has.
export function follow(person, changed, lost) {
  stream?.close();
  parts.clear();
  me = person;
  stream = new EventSource(`/events?as=${person}`);
  stream.onmessage = (event) => {
    merge(JSON.parse(event.data), parts);
    changed();
  };
  stream.onerror = lost;
}

export function merge({ reset, parts: changes }, into) {
  if (reset) into.clear();
  for (const [path, value] of Object.entries(changes)) {
    if (value === null) into.delete(path);
    else into.set(path, value);
  }
}

// Do something as the person; returns what went wrong: {error, field}, or null.
export async function act(name, fields = {}) {
  try {
    const response = await fetch(`/act?as=${me}`, {
      method: "POST",
      body: JSON.stringify({ act: name, ...fields }),
    });
    const answer = response.ok ? await response.json() : { error: await response.text() };
    return answer.error ? answer : null;
  } catch {
    return { error: "The page's server does not respond. Is `make play` still running?" };
  }
}

// Where the person reads a file that a message shows.
export const addressOf = (fileId) => `/files/${me}/${fileId}/image`;

export async function upload(file) {
  const query = new URLSearchParams({ as: me, name: file.name });
  const response = await fetch(`/upload?${query}`, { method: "POST", body: file });
  return response.ok ? response.json() : null;
}
