// What a screen reader hears. One polite region for the whole page; the same sentence is not said twice in a row.

import { setText } from "./element.ts";

export function announce(sentence: string): void {
  const region = document.getElementById("announcer");
  if (region !== null) {
    setText(region, sentence);
  }
}
