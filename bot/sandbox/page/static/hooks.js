// The renderer, and the one hook that it lacks.

import { useState } from "./vendor/htm-preact.js";

export * from "./vendor/htm-preact.js";

let ids = 0;
export const useId = () => useState(() => `id${++ids}`)[0];
