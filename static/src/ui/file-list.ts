// The list behind the dock's arrow: one row a file, of which only those in view are elements.

import type { RowView } from "../engine/port.ts";
import { element, setText } from "./element.ts";
import { icon, ring, turnRing } from "./icons.ts";
import { formatBytes } from "./quantities.ts";
import { shortenInTheMiddle } from "./short-name.ts";
import { STATE_ICONS, shareSent, stateWords } from "./upload-words.ts";
import { rowsInView, type Span } from "./visible-span.ts";

const ROW_PX = 48;
// Rows asked for while the list is shut: they say each file's state for whoever looks.
const ROWS_WHEN_SHUT = 24;
const NAME_CHARS = 44;

export type FileListActions = Readonly<{
  /** The rows in view have changed; answers come by `show`. */
  onWindow: (span: Span) => void;
  onRetry: (fileId: string) => void;
  onRemove: (fileId: string) => void;
  /** The same bytes are in the gallery already; a person wants them twice. */
  onKeepBoth: (fileId: string) => void;
}>;

type FileRow = Readonly<{
  box: HTMLElement;
  name: HTMLElement;
  state: HTMLElement;
  size: HTMLElement;
  retry: HTMLButtonElement;
  keepBoth: HTMLButtonElement;
  remove: HTMLButtonElement;
}>;

export class FileList {
  readonly element: HTMLElement;
  readonly #space = element("div", { class: "file-list-space", role: "list" });
  readonly #rows = new Map<string, FileRow>();
  readonly #actions: FileListActions;
  #rowCount = 0;
  #asked: Span = { first: 0, end: 0 };
  #frame = 0;

  constructor(actions: FileListActions) {
    this.#actions = actions;
    this.element = element(
      "div",
      { class: "file-list", tabindex: 0, role: "region", "aria-label": "Files" },
      this.#space,
    );
    this.element.addEventListener("scroll", () => this.#askSoon(), { passive: true });
    this.#space.addEventListener("click", (event) => this.#onClick(event));
    new ResizeObserver(() => this.#askSoon()).observe(this.element);
  }

  /** Starts anew, for another gallery. */
  reset(): void {
    this.#asked = { first: 0, end: 0 };
    this.#rowCount = 0;
    this.#rows.clear();
    this.#space.replaceChildren();
    this.element.scrollTop = 0;
    this.#ask();
  }

  show(rows: readonly RowView[], fromIndex: number, rowCount: number): void {
    const isLonger = rowCount !== this.#rowCount;
    this.#rowCount = rowCount;
    this.#space.style.height = `${rowCount * ROW_PX}px`;
    this.#dropOthers(new Set(rows.map((row) => row.fileId)));
    rows.forEach((row, offset) => {
      this.#drawRow(row, fromIndex + offset);
    });
    if (isLonger) {
      this.#askSoon();
    }
  }

  #dropOthers(shown: ReadonlySet<string>): void {
    for (const [fileId, row] of this.#rows) {
      if (!shown.has(fileId)) {
        row.box.remove();
        this.#rows.delete(fileId);
      }
    }
  }

  #drawRow(view: RowView, index: number): void {
    const row = this.#rows.get(view.fileId) ?? this.#addRow(view);
    row.box.style.transform = `translateY(${index * ROW_PX}px)`;
    row.box.ariaPosInSet = String(index + 1);
    row.box.ariaSetSize = String(this.#rowCount);
    drawState(row, view);
  }

  #addRow(view: RowView): FileRow {
    const row = makeRow(view);
    this.#rows.set(view.fileId, row);
    this.#space.append(row.box);
    return row;
  }

  #askSoon(): void {
    if (this.#frame === 0) {
      this.#frame = requestAnimationFrame(() => this.#ask());
    }
  }

  #ask(): void {
    this.#frame = 0;
    const height = this.element.clientHeight;
    const span =
      height === 0
        ? { first: 0, end: ROWS_WHEN_SHUT }
        : rowsInView(this.element.scrollTop, height, ROW_PX, Math.max(this.#rowCount, ROWS_WHEN_SHUT));
    if (span.first !== this.#asked.first || span.end !== this.#asked.end) {
      this.#asked = span;
      this.#actions.onWindow(span);
    }
  }

  #onClick(event: Event): void {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    const fileId = button?.closest<HTMLElement>("[data-file-id]")?.dataset["fileId"];
    if (button === null || fileId === undefined) {
      return;
    }
    switch (button.dataset["action"]) {
      case "retry":
        this.#actions.onRetry(fileId);
        break;
      case "keep-both":
        this.#actions.onKeepBoth(fileId);
        break;
      default:
        this.#actions.onRemove(fileId);
    }
  }
}

function makeRow(view: RowView): FileRow {
  const name = element("span", { class: "file-name", dir: "auto", title: view.relativePath || view.name });
  const state = element("span", { class: "file-state" });
  const size = element("span", { class: "file-size" }, formatBytes(view.sizeBytes));
  const retry = rowButton("retry", `Retry ${view.name}`);
  const keepBoth = element(
    "button",
    {
      type: "button",
      class: "button button-small",
      "data-action": "keep-both",
      "aria-label": `Keep both: ${view.name}`,
    },
    "Keep both",
  );
  const remove = rowButton("remove", `Remove ${view.name}`);
  setText(name, shortenInTheMiddle(view.name, NAME_CHARS));
  const box = element(
    "div",
    { class: "file-row", role: "listitem", "data-file-id": view.fileId },
    icon("clock"),
    element("div", { class: "file-words" }, name, state),
    size,
    element("div", { class: "file-buttons" }, retry, keepBoth, remove),
  );
  return { box, name, state, size, retry, keepBoth, remove };
}

function rowButton(action: "retry" | "remove", label: string): HTMLButtonElement {
  return element(
    "button",
    { type: "button", class: "button button-icon button-small", "data-action": action, "aria-label": label },
    icon(action),
  );
}

function drawState(row: FileRow, view: RowView): void {
  if (row.box.dataset["uploadState"] !== view.state) {
    row.box.dataset["uploadState"] = view.state;
    const picture = STATE_ICONS[view.state];
    row.box.firstElementChild?.replaceWith(picture === "ring" ? ring() : icon(picture));
    row.retry.hidden = !(view.state === "failed" && view.retryable);
    row.remove.hidden = ["done", "removed", "confirming"].includes(view.state);
  }
  row.keepBoth.hidden = !(view.state === "done" && view.reasons.includes("duplicate"));
  const picture = row.box.firstElementChild;
  if (picture instanceof SVGSVGElement && picture.classList.contains("ring")) {
    turnRing(picture, shareSent(view));
  }
  const words = stateWords(view);
  setText(row.state, words);
  row.state.title = words;
}
