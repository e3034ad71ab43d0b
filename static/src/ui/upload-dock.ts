// The dock: one line that tells how the upload stands, on every page, and the list behind its arrow.

import type { EngineReport, GalleryTally } from "../engine/port.ts";
import { announce } from "./announcer.ts";
import { element, setText } from "./element.ts";
import type { EngineLink } from "./engine-link.ts";
import { FileList } from "./file-list.ts";
import { icon } from "./icons.ts";
import { ProblemList } from "./problem-list.ts";
import { photosOf } from "./quantities.ts";
import { figuresOf, openCount, outcomeOf, promiseOf, unsentCount } from "./upload-words.ts";

const WIDE = "(min-width: 900px)";
const PANEL_KEY = "dock-open";

export class UploadDock {
  readonly #root: HTMLElement;
  readonly #engine: EngineLink;
  readonly #bar = element("span");
  readonly #figures = element("p", { class: "dock-figures" });
  readonly #promise = element("p", { class: "dock-promise" });
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
      "aria-controls": "dock-panel",
      "aria-expanded": "false",
    },
    icon("arrowUp"),
  );
  readonly #panel = element("div", { class: "dock-panel", id: "dock-panel", hidden: true });
  readonly #galleries = element("ul", { class: "dock-galleries", hidden: true });
  readonly #problems: ProblemList;
  readonly #list: FileList;
  #tallies: readonly GalleryTally[] = [];
  #shownGalleryId: string | null = null;
  #wasOpen = false;
  #lastQuarter = 0;

  constructor(root: HTMLElement, engine: EngineLink) {
    this.#root = root;
    this.#engine = engine;
    this.#problems = new ProblemList({
      onRetry: (code) => this.#tellShown("retry", code),
      onClear: (code) => this.#tellShown("remove", code),
    });
    this.#list = new FileList({
      onWindow: ({ first, end }) => this.#askRows(first, end - first),
      onRetry: (fileId) => engine.send({ type: "retry", fileIds: [fileId] }),
      onRemove: (fileId) => engine.send({ type: "remove", fileIds: [fileId] }),
      onKeepBoth: (fileId) => engine.send({ type: "keep_both", fileIds: [fileId] }),
    });
    this.#build();
    engine.subscribe((report) => this.#onReport(report));
  }

  /** A page has been shown: what has ended well is no longer said on the next one. */
  pageShown(galleryId: string | null): void {
    if (galleryId !== null && this.#tallies.some((tally) => tally.galleryId === galleryId)) {
      this.#showGallery(galleryId);
    }
    if (
      !this.#root.hidden &&
      this.#tallies.every((tally) => openCount(tally) === 0 && tally.failedCount === 0)
    ) {
      this.#hide();
    }
    this.#tellHeight();
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
    this.#panel.append(this.#galleries, this.#problems.element, this.#list.element);
    this.#pause.addEventListener("click", () => this.#engine.send({ type: "pause" }));
    this.#resume.addEventListener("click", () => this.#engine.send({ type: "resume" }));
    this.#cancel.addEventListener("click", () => this.#engine.send({ type: "cancel" }));
    this.#retry.addEventListener("click", () => this.#engine.send({ type: "retry" }));
    this.#close.addEventListener("click", () => this.#hide());
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
      this.#showTally(report.galleries, report.total);
    } else if (
      report.type === "rows" &&
      report.view !== "shelf" &&
      report.galleryId === this.#shownGalleryId
    ) {
      this.#list.show(report.rows, report.fromIndex, report.rowCount);
    }
  }

  #showTally(galleries: readonly GalleryTally[], total: GalleryTally | null): void {
    this.#tallies = galleries;
    if (total === null || total.chosenCount === 0) {
      this.#hide();
      return;
    }
    const isOpen = openCount(total) > 0;
    if (isOpen && !this.#wasOpen) {
      this.#begin(total);
    }
    this.#chooseGallery(galleries);
    this.#drawLine(total);
    this.#drawButtons(total);
    this.#drawGalleries(galleries);
    this.#problems.show(galleries.find((tally) => tally.galleryId === this.#shownGalleryId)?.problems ?? []);
    this.#sayProgress(total, isOpen);
    this.#wasOpen = isOpen;
  }

  #begin(total: GalleryTally): void {
    this.#root.hidden = false;
    this.#lastQuarter = 0;
    this.#openPanel(isPanelWanted());
    announce(`Uploading ${photosOf(total.chosenCount - total.removedCount)}.`);
    this.#tellHeight();
  }

  #chooseGallery(galleries: readonly GalleryTally[]): void {
    if (!galleries.some((tally) => tally.galleryId === this.#shownGalleryId)) {
      const busiest = galleries.find((tally) => openCount(tally) > 0) ?? galleries[0];
      if (busiest !== undefined) {
        this.#showGallery(busiest.galleryId);
      }
    }
    if (this.#root.hidden && !this.#wasOpen && galleries.some((tally) => tally.failedCount > 0)) {
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

  #drawLine(total: GalleryTally): void {
    const root = this.#root;
    root.dataset["progressPercent"] = String(total.percent);
    root.dataset["phase"] = total.phase;
    root.toggleAttribute("data-troubled", total.failedCount > 0);
    root.toggleAttribute("data-halted", total.paused || total.waitingFor !== null);
    this.#bar.style.transform = `scaleX(${total.percent / 100})`;
    // A line may break after a dot, never before it.
    setText(this.#figures, figuresOf(total).join("\u00a0· "));
    const promise = promiseOf(total);
    setText(this.#promise, promise.text);
    this.#promise.dataset["tone"] = promise.tone;
  }

  #drawButtons(total: GalleryTally): void {
    const isOpen = openCount(total) > 0;
    // What is only waiting to be confirmed can't be paused: it is not ours to hold any more.
    const isSending = unsentCount(total) > 0;
    this.#pause.hidden = !isSending || total.paused;
    this.#resume.hidden = !isSending || !total.paused;
    this.#cancel.hidden = !isOpen;
    this.#close.hidden = isOpen;
    this.#retry.hidden = !total.problems.some((problem) => problem.retryable);
    this.#signIn.hidden = total.waitingFor !== "sign_in";
    if (!this.#signIn.hidden) {
      this.#signIn.href = `/accounts/login/?next=${encodeURIComponent(location.pathname)}`;
    }
  }

  #drawGalleries(galleries: readonly GalleryTally[]): void {
    this.#galleries.hidden = galleries.length < 2;
    if (this.#galleries.hidden) {
      return;
    }
    const lines = galleries.map((tally) => `${tally.title}\n${figuresOf(tally).slice(0, 2).join(" · ")}`);
    if (this.#galleries.dataset["lines"] !== lines.join("\n") + this.#shownGalleryId) {
      this.#galleries.dataset["lines"] = lines.join("\n") + this.#shownGalleryId;
      this.#galleries.replaceChildren(...galleries.map((tally) => this.#galleryLine(tally)));
    }
  }

  #galleryLine(tally: GalleryTally): HTMLElement {
    const isShown = tally.galleryId === this.#shownGalleryId;
    const name = element(
      "button",
      { type: "button", dir: "auto", "aria-current": isShown ? "true" : null },
      tally.title,
    );
    name.addEventListener("click", () => this.#showGallery(tally.galleryId));
    return element("li", {}, name, element("span", {}, figuresOf(tally).slice(0, 2).join(" · ")));
  }

  #sayProgress(total: GalleryTally, isOpen: boolean): void {
    if (this.#wasOpen && !isOpen) {
      announce(outcomeOf(total));
      return;
    }
    const quarter = Math.floor(total.percent / 25);
    if (isOpen && quarter > this.#lastQuarter && quarter < 4) {
      this.#lastQuarter = quarter;
      announce(`${quarter * 25} percent uploaded.`);
    }
  }

  #askRows(fromIndex: number, count: number): void {
    if (this.#shownGalleryId !== null) {
      this.#engine.send({ type: "rows", galleryId: this.#shownGalleryId, view: "list", fromIndex, count });
    }
  }

  #tellShown(type: "retry" | "remove", code: string): void {
    if (this.#shownGalleryId !== null) {
      this.#engine.send({ type, galleryId: this.#shownGalleryId, code });
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

function dockButton(label: string): HTMLButtonElement {
  return element("button", { type: "button", class: "button button-small", hidden: true }, label);
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
