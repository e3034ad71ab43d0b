// The dock: one line that tells how the upload stands, on every page, and the list behind its arrow.

import type { EngineReport, GalleryTally } from "../engine/port.ts";
import { announce } from "./announcer.ts";
import { DockGalleries } from "./dock-galleries.ts";
import { element, setText } from "./element.ts";
import type { EngineLink } from "./engine-link.ts";
import { FileList, type FileListActions } from "./file-list.ts";
import type { RowVerb } from "./file-row.ts";
import { icon } from "./icons.ts";
import { CHOSEN_WITHIN_MS, NOTHING_TOLD, nextMilestone } from "./milestones.ts";
import type { Previews } from "./previews.ts";
import { isTriedAgain, ProblemList, problemsToShow } from "./problem-list.ts";
import { SelectionActions } from "./selection-actions.ts";
import {
  changedWords,
  figuresOf,
  keptWords,
  openCount,
  promiseOf,
  promiseOfMirror,
  shotWords,
  type TabPromise,
  unsentCount,
  verifiedWords,
} from "./upload-words.ts";

const WIDE = "(min-width: 900px)";
const PANEL_KEY = "dock-open";
const SIGNED_OUT = {
  figures: "This account was signed out in another tab",
  promise: "Nothing is being sent from here. Sign in to see what is missing.",
} as const;

/** What the dock asks of the page around it. */
export type DockActions = Readonly<{
  /** A person lets this page read the folders they chose in an earlier visit. */
  onContinue: () => void;
  /** The folder of this gallery is to be chosen again. */
  onChooseFolder: (galleryId: string) => void;
  /** This gallery was deleted, and is wanted all the same. */
  onBringBack: (galleryId: string) => void;
}>;

type FileControl = Readonly<{ type: RowVerb; fileIds?: readonly string[]; code?: string }>;

export class UploadDock {
  readonly #root: HTMLElement;
  readonly #engine: EngineLink;
  readonly #bar = element("span");
  readonly #figures = element("p", { class: "dock-figures" });
  readonly #promise = element("p", { class: "dock-promise" });
  readonly #continue = dockButton("Continue", "button-lamp");
  readonly #pause = dockButton("Pause");
  readonly #resume = dockButton("Resume");
  readonly #cancel = dockButton("Cancel");
  readonly #retry = dockButton("Retry failed");
  readonly #signIn = element("a", { class: "button button-small", hidden: true }, "Sign in");
  readonly #close = element(
    "button",
    { type: "button", class: "button button-icon", "aria-label": "Hide the uploads" },
    icon("close"),
  );
  readonly #toggle = element(
    "button",
    {
      type: "button",
      class: "button button-icon dock-toggle",
      "aria-expanded": "false",
    },
    icon("arrowUp"),
  );
  readonly #panel = element("div", { class: "dock-panel", hidden: true });
  readonly #galleries: DockGalleries;
  readonly #problems: ProblemList;
  readonly #shots = element("p", { class: "list-line", hidden: true });
  readonly #kept = element("p", { class: "list-line", hidden: true });
  readonly #changed = element("p", { class: "list-line", dir: "auto", hidden: true });
  readonly #selection: SelectionActions;
  readonly #list: FileList;
  readonly #verified = element("span");
  readonly #receipt = plainButton("Download receipt");
  readonly #record = plainButton("Download the record of this upload");
  #tallies: readonly GalleryTally[] = [];
  #shownGalleryId: string | null = null;
  /** The gallery whose page is shown, which tells the end of its upload itself. */
  #pageGalleryId: string | null = null;
  #selected: readonly string[] = [];
  #told = NOTHING_TOLD;
  /** The timer of what is said once nothing more is chosen. */
  #milestone = 0;

  constructor(root: HTMLElement, engine: EngineLink, actions: DockActions, previews: Previews) {
    this.#root = root;
    this.#engine = engine;
    this.#galleries = new DockGalleries({
      onShow: (galleryId) => this.#showGallery(galleryId),
      onVerb: (type, galleryId) => engine.send({ type, galleryId }),
    });
    this.#problems = new ProblemList({
      onRetry: (code) => this.#tellShown({ type: "retry", code }),
      onClear: (code) => this.#tellShown({ type: "remove", code }),
      onChooseFolder: () => actions.onChooseFolder(this.#shownGalleryId ?? ""),
      onBringBack: () => actions.onBringBack(this.#shownGalleryId ?? ""),
    });
    const listActions: FileListActions = {
      onWindow: ({ first, end }) => this.#askRows(first, end - first),
      onVerb: (type, fileIds) => this.#tellShown({ type, fileIds }),
      onSelect: (fileIds) => this.#showSelection(fileIds),
    };
    this.#list = new FileList(listActions, previews);
    this.#selection = new SelectionActions(
      (type) => {
        this.#tellShown({ type, fileIds: this.#selected });
        this.#list.clearSelection();
      },
      () => this.#list.clearSelection(),
    );
    this.#continue.addEventListener("click", actions.onContinue);
    this.#build();
    engine.subscribe((report) => this.#onReport(report));
  }

  /** A page has been shown: what has ended well is no longer said on the next one. */
  pageShown(galleryId: string | null): void {
    this.#pageGalleryId = galleryId;
    if (isAmong(this.#tallies, galleryId)) {
      this.#showGallery(galleryId);
    }
    if (
      !this.#root.hidden &&
      this.#tallies.every((tally) => openCount(tally) === 0 && tally.failedCount === 0)
    ) {
      this.#hide();
    }
    this.#drawPanel();
    this.#tellHeight();
  }

  /** Another tab signed out, and ended the uploads of this one: that is said until the next page is shown. */
  showSignedOut(): void {
    const root = this.#root;
    delete root.dataset["progressPercent"];
    root.dataset["phase"] = "signed_out";
    root.toggleAttribute("data-troubled", false);
    root.toggleAttribute("data-halted", true);
    this.#tallies = [];
    clearTimeout(this.#milestone);
    this.#told = NOTHING_TOLD;
    this.#bar.style.transform = "scaleX(0)";
    setText(this.#figures, SIGNED_OUT.figures);
    setText(this.#promise, SIGNED_OUT.promise);
    this.#promise.dataset["tone"] = "waiting";
    for (const button of root.querySelectorAll<HTMLElement>(".dock-buttons > *")) {
      button.hidden = true;
    }
    this.#offerSignIn();
    root.hidden = false;
    this.#openPanel(false);
    announce(`${SIGNED_OUT.figures}. ${SIGNED_OUT.promise}`);
  }

  #build(): void {
    const root = this.#root;
    root.replaceChildren(
      element("div", { class: "dock-bar", "aria-hidden": "true" }, this.#bar),
      element(
        "div",
        { class: "dock-line" },
        element("div", { class: "dock-words" }, this.#figures, this.#promise),
        element(
          "div",
          { class: "dock-buttons" },
          this.#signIn,
          this.#continue,
          this.#pause,
          this.#resume,
          this.#retry,
          this.#cancel,
          this.#close,
          this.#toggle,
        ),
      ),
      this.#panel,
    );
    this.#panel.id = `${root.id}-panel`;
    this.#toggle.setAttribute("aria-controls", this.#panel.id);
    this.#panel.append(
      this.#galleries.element,
      this.#problems.element,
      element("div", { class: "list-head" }, this.#shots, this.#kept, this.#changed, this.#selection.element),
      this.#list.element,
      element("div", { class: "list-foot" }, this.#verified, this.#receipt, this.#record),
    );
    this.#pause.addEventListener("click", () => this.#engine.send({ type: "pause" }));
    this.#resume.addEventListener("click", () => this.#engine.send({ type: "resume" }));
    this.#cancel.addEventListener("click", () => this.#engine.send({ type: "cancel" }));
    this.#retry.addEventListener("click", () => this.#engine.send({ type: "retry" }));
    this.#receipt.addEventListener("click", () => {
      if (this.#shownGalleryId !== null) {
        this.#engine.send({ type: "receipt", galleryId: this.#shownGalleryId });
      }
    });
    this.#record.addEventListener("click", () => this.#engine.send({ type: "flight_record" }));
    this.#close.addEventListener("click", () => {
      this.#hide();
      this.#engine.send({ type: "dismiss" });
    });
    this.#toggle.addEventListener("click", () => {
      const isOpen = this.#toggle.ariaExpanded !== "true";
      rememberPanel(isOpen);
      this.#openPanel(isOpen);
    });
    this.#openPanel(false);
    new ResizeObserver(() => this.#tellHeight()).observe(root);
  }

  #onReport(report: EngineReport): void {
    if (report.type === "tally") {
      this.#showTally(report);
    } else if (
      report.type === "rows" &&
      report.view !== "shelf" &&
      report.galleryId === this.#shownGalleryId
    ) {
      this.#list.show(report.rows, report.fromIndex, report.rowCount);
      setLine(this.#shots, shotWords(report.fileCount ?? report.rowCount, report.rowCount));
    }
  }

  #showTally({ galleries, total, isMirror }: Extract<EngineReport, { type: "tally" }>): void {
    const known = this.#tallies;
    this.#tallies = galleries;
    clearTimeout(this.#milestone);
    if (total === null || total.chosenCount === 0) {
      this.#hide();
      return;
    }
    if (openCount(total) > 0 && !this.#told.isOpen) {
      this.#begin();
    }
    this.#chooseGallery(galleries, known);
    this.#drawLine(total, isMirror ? promiseOfMirror(total) : promiseOf(total));
    this.#drawButtons(total);
    this.#galleries.show(galleries, this.#shownGalleryId);
    this.#drawPanel();
    this.#tellMilestone(total);
  }

  #tellMilestone(total: GalleryTally): void {
    const { told, sentence } = nextMilestone(this.#told, total, performance.now());
    this.#told = told;
    if (sentence !== "") {
      announce(sentence);
    }
    if (told.isOpen && !told.isBeginningSaid) {
      this.#milestone = window.setTimeout(() => this.#tellMilestone(total), CHOSEN_WITHIN_MS);
    }
  }

  #begin(): void {
    this.#root.hidden = false;
    this.#openPanel(isPanelWanted());
    this.#tellHeight();
  }

  #chooseGallery(galleries: readonly GalleryTally[], known: readonly GalleryTally[]): void {
    if (isAmong(galleries, this.#pageGalleryId) && !isAmong(known, this.#pageGalleryId)) {
      // Photos were just added to the gallery on the page: theirs is the list a person looks for.
      this.#showGallery(this.#pageGalleryId);
    }
    if (!isAmong(galleries, this.#shownGalleryId)) {
      const busiest = galleries.find((tally) => openCount(tally) > 0) ?? galleries[0];
      if (busiest !== undefined) {
        this.#showGallery(busiest.galleryId);
      }
    }
    if (this.#root.hidden && !this.#told.isOpen && galleries.some((tally) => tally.failedCount > 0)) {
      // Files that are refused at once may never have been seen on their way; they are told all the same.
      this.#root.hidden = false;
      this.#openPanel(isPanelWanted());
    }
  }

  #showGallery(galleryId: string): void {
    if (this.#shownGalleryId !== galleryId) {
      this.#shownGalleryId = galleryId;
      this.#list.reset();
    }
  }

  #drawLine(total: GalleryTally, promise: TabPromise): void {
    const root = this.#root;
    root.dataset["progressPercent"] = String(total.percent);
    root.dataset["phase"] = total.phase;
    root.toggleAttribute("data-troubled", total.failedCount > 0);
    root.toggleAttribute("data-halted", total.paused || total.waitingFor !== null);
    this.#bar.style.transform = `scaleX(${total.percent / 100})`;
    // A line may break after a dot, never before it.
    setText(this.#figures, figuresOf(total).join("\u00a0· "));
    setText(this.#promise, promise.text);
    this.#promise.dataset["tone"] = promise.tone;
  }

  #drawButtons(total: GalleryTally): void {
    const isOpen = openCount(total) > 0;
    // What is only waiting to be confirmed can't be paused: it is not ours to hold any more.
    const isSending = unsentCount(total) > 0;
    this.#continue.hidden = total.askableCount === 0;
    this.#pause.hidden = !isSending || total.paused;
    this.#resume.hidden = !isSending || !total.paused;
    this.#cancel.hidden = !isOpen;
    this.#close.hidden = isOpen;
    this.#retry.hidden = !total.problems.some(isTriedAgain);
    this.#toggle.hidden = false;
    this.#signIn.hidden = true;
    if (total.waitingFor === "sign_in") {
      this.#offerSignIn();
    }
  }

  /** Leads back to the page it was asked on. */
  #offerSignIn(): void {
    this.#signIn.hidden = false;
    this.#signIn.href = `/accounts/login/?next=${encodeURIComponent(location.pathname)}`;
  }

  #drawPanel(): void {
    const shown = this.#tallies.find((tally) => tally.galleryId === this.#shownGalleryId);
    if (shown === undefined) {
      return;
    }
    // Its own page says that it is full, and how many were left out.
    const isSaid = (code: string): boolean =>
      code === "gallery_full" && shown.galleryId === this.#pageGalleryId;
    this.#problems.show(problemsToShow(shown).filter(({ code }) => !isSaid(code)));
    setLine(this.#kept, unsentCount(shown) === 0 ? "" : keptWords(shown.kept));
    setLine(this.#changed, changedWords(shown.changedNames));
    const isOver = openCount(shown) === 0 && shown.doneCount > 0;
    setText(this.#verified, isOver ? verifiedWords(shown) : "");
    this.#receipt.hidden = !isOver || this.#shownGalleryId === this.#pageGalleryId;
  }

  #showSelection(rows: ReadonlyMap<string, number>): void {
    this.#selected = Array.from(rows.keys());
    this.#selection.show(Array.from(rows.values()).reduce((sum, count) => sum + count, 0));
  }

  #askRows(fromIndex: number, count: number): void {
    if (this.#shownGalleryId !== null) {
      this.#engine.send({ type: "rows", galleryId: this.#shownGalleryId, view: "list", fromIndex, count });
    }
  }

  #tellShown(control: FileControl): void {
    if (this.#shownGalleryId !== null) {
      this.#engine.send({ ...control, galleryId: this.#shownGalleryId });
    }
  }

  #openPanel(isOpen: boolean): void {
    this.#panel.hidden = !isOpen;
    this.#toggle.ariaExpanded = String(isOpen);
    this.#toggle.ariaLabel = isOpen ? "Hide the list of files" : "Show the list of files";
    this.#tellHeight();
  }

  #hide(): void {
    this.#root.hidden = true;
    this.#tellHeight();
  }

  /** The page leaves this much room below its last row. */
  #tellHeight(): void {
    document.body.dataset["dock"] = this.#root.hidden ? "shut" : "open";
    document.documentElement.style.setProperty("--dock-height", `${this.#root.offsetHeight}px`);
  }
}

function isAmong(tallies: readonly GalleryTally[], galleryId: string | null): galleryId is string {
  return tallies.some((tally) => tally.galleryId === galleryId);
}

function dockButton(label: string, look = ""): HTMLButtonElement {
  return element(
    "button",
    { type: "button", class: `button button-small ${look}`.trim(), hidden: true },
    label,
  );
}

function plainButton(label: string): HTMLButtonElement {
  return element("button", { type: "button", class: "button button-small button-plain" }, label);
}

function setLine(line: HTMLElement, words: string): void {
  line.hidden = words === "";
  setText(line, words);
}

/** Beside the wall on a desk the list is open unless it was shut; on a phone it would cover the photos. */
function isPanelWanted(): boolean {
  if (!window.matchMedia(WIDE).matches) {
    return false;
  }
  try {
    return localStorage.getItem(PANEL_KEY) !== "shut";
  } catch {
    return true;
  }
}

function rememberPanel(isOpen: boolean): void {
  try {
    localStorage.setItem(PANEL_KEY, isOpen ? "open" : "shut");
  } catch {
    // Then it is forgotten with the page.
  }
}
