// Problems, grouped by reason: what happened, to how many, and one button a group. Never a dialog.

import type { GalleryTally } from "../engine/port.ts";
import { element, setText } from "./element.ts";
import { icon } from "./icons.ts";
import { formatCount } from "./quantities.ts";
import { sentenceAbout } from "./sentences.ts";
import { shortenInTheMiddle } from "./short-name.ts";

const NAME_CHARS = 60;
const NAMES_SHOWN = 100;

type Problem = GalleryTally["problems"][number];

export type ProblemActions = Readonly<{
  onRetry: (code: string) => void;
  onClear: (code: string) => void;
  onChooseFolder: () => void;
  /** The gallery of these files, which was deleted. */
  onBringBack?: () => void;
}>;

const GALLERY_DELETED = "gallery_deleted";

/** What ends by choosing the files again. */
const CHOSEN_AGAIN: ReadonlySet<string> = new Set([
  "begun_before",
  "client_id_conflict",
  "expired",
  "file_changed",
  "file_needed",
  "file_unreadable",
  "not_found",
]);
/** Nothing is here to try again with. */
const NOT_TRIED_AGAIN: ReadonlySet<string> = new Set(["begun_before", "file_needed", GALLERY_DELETED]);

export function isTriedAgain(problem: Problem): boolean {
  return problem.retryable && !NOT_TRIED_AGAIN.has(problem.code);
}

/** Files whose folder is remembered are asked for by the dock's own button, not one by one. */
export function problemsToShow(tally: GalleryTally): readonly Problem[] {
  return tally.problems.flatMap((problem) => {
    if (problem.code !== "file_needed" || tally.askableCount === 0) {
      return [problem];
    }
    const count = problem.count - tally.askableCount;
    // The names are of both kinds, so none is said.
    return count > 0 ? [{ ...problem, count, names: [] }] : [];
  });
}

type Group = Readonly<{
  box: HTMLElement;
  sentence: HTMLElement;
  disclosure: HTMLElement;
  names: HTMLElement;
  retry: HTMLButtonElement;
  choose: HTMLButtonElement;
}>;

export class ProblemList {
  readonly element = element("ul", { class: "problems", hidden: true, "aria-label": "Problems" });
  readonly #groups = new Map<string, Group>();
  readonly #actions: ProblemActions;

  constructor(actions: ProblemActions) {
    this.#actions = actions;
  }

  show(problems: readonly Problem[]): void {
    this.element.hidden = problems.length === 0;
    const codes = new Set(problems.map((problem) => problem.code));
    for (const [code, group] of this.#groups) {
      if (!codes.has(code)) {
        group.box.remove();
        this.#groups.delete(code);
      }
    }
    for (const problem of problems) {
      this.#draw(problem);
    }
  }

  #draw(problem: Problem): void {
    const group = this.#groups.get(problem.code) ?? this.#add(problem);
    const sentence = sentenceOfGroup(problem);
    if (group.sentence.textContent !== sentence) {
      const name = nameBefore(problem);
      // A name keeps its own direction, and the sentence after it the page's.
      group.sentence.replaceChildren(element("bdi", {}, name), sentence.slice(name.length));
    }
    group.disclosure.hidden = problem.count === 1 || problem.names.length === 0;
    const lines = namesOf(problem);
    if (group.names.childElementCount !== lines.length) {
      group.names.replaceChildren(...lines.map((line) => element("li", { dir: "auto" }, line)));
    }
    group.retry.hidden = !isTriedAgain(problem);
    const label = `Retry ${formatCount(problem.count)}`;
    setText(group.retry, label);
    group.retry.ariaLabel = `${label}: ${sentence}`;
    group.choose.ariaLabel = `Choose folder again: ${sentence}`;
  }

  #add(problem: Problem): Group {
    const group = this.#make(problem.code);
    this.#groups.set(problem.code, group);
    this.element.append(group.box);
    return group;
  }

  #make(code: string): Group {
    const sentence = element("p");
    const names = element("ul");
    const disclosure = element("details", {}, element("summary", {}, "Which files"), names);
    const retry = element("button", { type: "button", class: "button button-small" });
    const choose = element(
      "button",
      { type: "button", class: "button button-small", hidden: !CHOSEN_AGAIN.has(code) },
      "Choose folder again",
    );
    const bringBack = element(
      "button",
      {
        type: "button",
        class: "button button-small",
        hidden: code !== GALLERY_DELETED || this.#actions.onBringBack === undefined,
      },
      "Bring it back",
    );
    const clear = element("button", { type: "button", class: "button button-small button-plain" }, "Clear");
    retry.addEventListener("click", () => this.#actions.onRetry(code));
    choose.addEventListener("click", () => this.#actions.onChooseFolder());
    bringBack.addEventListener("click", () => this.#actions.onBringBack?.());
    clear.addEventListener("click", () => this.#actions.onClear(code));
    const box = element(
      "li",
      { class: "problem", "data-problem": code },
      icon("warning"),
      element("div", { class: "problem-words" }, sentence, disclosure),
      element("div", { class: "actions" }, retry, choose, bringBack, clear),
    );
    return { box, sentence, disclosure, names, retry, choose };
  }
}

function sentenceOfGroup(problem: Problem): string {
  const sentence = sentenceAbout(problem.code, problem.count);
  const name = nameBefore(problem);
  return name === "" ? sentence : `${name}: ${sentence}`;
}

/** One file is named in the sentence; several have a list. */
function nameBefore(problem: Problem): string {
  const [name] = problem.names;
  return problem.count === 1 && name !== undefined ? shortenInTheMiddle(name, NAME_CHARS) : "";
}

function namesOf(problem: Problem): readonly string[] {
  const shown = problem.names.slice(0, NAMES_SHOWN).map((name) => shortenInTheMiddle(name, NAME_CHARS));
  const others = problem.count - shown.length;
  return others > 0 && shown.length > 0 ? [...shown, `and ${formatCount(others)} more`] : shown;
}
