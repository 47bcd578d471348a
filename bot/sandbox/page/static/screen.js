// What every part of the page may ask of the whole: see App and Modal, which provide it.

import { createContext } from "./hooks.js";

export const Screen = createContext({
  problems: {}, // block_id -> why Slack's own screen does not submit the modal
});
