// A line at the top of the page about what a person has just done. Never a dialog; the next one replaces it.

import { element, setText } from "./element.ts";

export function showNotice(sentence: string): void {
  hideNotice();
  const line = element("div", { class: "notice notice-now", role: "status" });
  document.querySelector("main")?.prepend(line);
  // Filled once it is there, or a screen reader would not hear of it.
  line.append(element("p", {}, sentence));
}

/**
 * A question in the same place: it goes away with either answer, and with whatever is said next. Answers what asks it in
 * other words from now on.
 */
export function askInPlace(question: string, yes: string, onYes: () => void): (question: string) => void {
  hideNotice();
  const stay = element("button", { type: "button", class: "button button-small" }, "Stay");
  const go = element("button", { type: "button", class: "button button-small button-lamp" }, yes);
  const words = element("p");
  const line = element(
    "div",
    { class: "notice notice-now", role: "alertdialog" },
    words,
    element("div", { class: "notice-actions" }, stay, go),
  );
  const ask = (asked: string): void => {
    setText(words, asked);
    line.ariaLabel = asked;
  };
  ask(question);
  stay.addEventListener("click", hideNotice);
  go.addEventListener("click", () => {
    hideNotice();
    onYes();
  });
  document.querySelector("main")?.prepend(line);
  stay.focus();
  return ask;
}

export function hideNotice(): void {
  document.querySelector(".notice-now")?.remove();
}
