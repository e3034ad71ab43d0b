// What is said of publishing above the wall: what is still on its way, how far it is, how it ended.

import { type OpenFile, outcomeOfPublication, type PublishState } from "../domain/publish-machine.ts";
import type { PublicationRow } from "../domain/wire.ts";
import { element, setText } from "./element.ts";
import { formatCount, photosOf } from "./quantities.ts";
import { sentenceAbout } from "./sentences.ts";
import { shortenInTheMiddle } from "./short-name.ts";

const NAMES_SHOWN = 100;
const NAME_CHARS = 60;

export type PublishActions = Readonly<{
  onAwait: () => void;
  onLeave: () => void;
  onRetry: () => void;
  onBack: () => void;
}>;

type Button = Readonly<{ words: string; isMain?: boolean; press: () => void }>;

export class PublishPanel {
  readonly #root: HTMLElement;
  readonly #actions: PublishActions;
  readonly #line = element("p", { class: "publication-line" });
  readonly #reasons = element("ul", { class: "publication-reasons" });
  readonly #names = element("ul");
  readonly #disclosure = element("details", {}, element("summary", {}, "Which files"), this.#names);
  readonly #buttons = element("div", { class: "actions" });
  #buttonWords = "";

  constructor(root: HTMLElement, actions: PublishActions) {
    this.#root = root;
    this.#actions = actions;
    root.replaceChildren(this.#line, this.#disclosure, this.#reasons, this.#buttons);
  }

  show(state: PublishState): void {
    this.#root.hidden = state.name === "form";
    setText(this.#line, lineOf(state));
    this.#showNames(state.name === "choosing" ? state.open : []);
    this.#showReasons(state.name === "complete" ? reasonsOf(state.publication) : []);
    this.#showButtons(this.#buttonsOf(state));
  }

  #showNames(open: readonly OpenFile[]): void {
    this.#disclosure.hidden = open.length === 0;
    const shown = open.slice(0, NAMES_SHOWN).map(({ name }) => shortenInTheMiddle(name, NAME_CHARS));
    const others = open.length - shown.length;
    const lines = others > 0 ? [...shown, `and ${formatCount(others)} more`] : shown;
    this.#names.replaceChildren(...lines.map((line) => element("li", { dir: "auto" }, line)));
  }

  #showReasons(reasons: readonly string[]): void {
    this.#reasons.hidden = reasons.length === 0;
    this.#reasons.replaceChildren(...reasons.map((reason) => element("li", {}, reason)));
  }

  /** A button that is focused stays while nothing about it changes. */
  #showButtons(buttons: readonly Button[]): void {
    const words = buttons.map((button) => button.words).join("\n");
    if (words === this.#buttonWords) {
      return;
    }
    this.#buttonWords = words;
    this.#buttons.replaceChildren(...buttons.map(buttonOf));
  }

  #buttonsOf(state: PublishState): readonly Button[] {
    const { onAwait, onLeave, onRetry, onBack } = this.#actions;
    switch (state.name) {
      case "choosing":
        return [
          { words: "Publish when they are there", isMain: true, press: onAwait },
          { words: "Publish what is there", press: onLeave },
          { words: "Not now", press: onBack },
        ];
      case "complete": {
        const retryCount = retryableCount(state.publication);
        const back: Button = { words: "Done", press: onBack };
        return retryCount === 0
          ? [back]
          : [{ words: `Retry ${formatCount(retryCount)}`, isMain: true, press: onRetry }, back];
      }
      default:
        return [];
    }
  }
}

function buttonOf({ words, isMain, press }: Button): HTMLButtonElement {
  const button = element(
    "button",
    { type: "button", class: isMain === true ? "button button-lamp" : "button" },
    words,
  );
  button.addEventListener("click", press);
  return button;
}

export function lineOf(state: PublishState): string {
  switch (state.name) {
    case "form":
      return "";
    case "choosing":
      return `${photosOf(state.open.length)} ${state.open.length === 1 ? "is" : "are"} still on the way.`;
    case "publishing":
      return state.stage.name === "following" ? progressLine(state.stage.publication) : "Publishing.";
    case "complete":
      return outcomeLine(state.publication);
    default:
      return state satisfies never;
  }
}

function progressLine(publication: PublicationRow | null): string {
  if (publication === null) {
    return "Publishing.";
  }
  const { published, chosen, pending } = publication.counts;
  const done = `Publishing: ${formatCount(published)} of ${photosOf(chosen)} can be seen.`;
  return pending === 0 ? done : `${done} The others follow by themselves.`;
}

function outcomeLine(publication: PublicationRow): string {
  const { published, chosen } = publication.counts;
  switch (outcomeOfPublication(publication)) {
    case "some":
      return `${formatCount(published)} of ${photosOf(chosen)} published.`;
    case "none":
      return `None of ${photosOf(chosen)} could be published.`;
    default:
      return `${photosOf(published)} published.`;
  }
}

function reasonsOf({ failures }: PublicationRow): readonly string[] {
  const counts = new Map<string, number>();
  for (const { code } of failures) {
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return Array.from(counts, ([code, count]) => sentenceAbout(code, count));
}

function retryableCount({ failures }: PublicationRow): number {
  return failures.filter(({ retryable }) => retryable).length;
}
