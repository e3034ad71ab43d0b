// A line at the top of the page about what a person has just done. Never a dialog; the next one replaces it.

import { element } from "./element.ts";

export function showNotice(sentence: string): void {
  hideNotice();
  const line = element("div", { class: "notice notice-now", role: "status" });
  document.querySelector("main")?.prepend(line);
  // Filled once it is there, or a screen reader would not hear of it.
  line.append(element("p", {}, sentence));
}

export function hideNotice(): void {
  document.querySelector(".notice-now")?.remove();
}
