// The list behind the dock's arrow: one row a file, of which only those in view are elements.

import type { RowView } from "../engine/port.ts";
import { element } from "./element.ts";
import { drawRow, type FileRow, makeRow, markSelected, type RowVerb, setTabStop } from "./file-row.ts";
import { type ListKey, listKeyOf } from "./list-keys.ts";
import type { Previews } from "./previews.ts";
import { fileCountOf } from "./upload-words.ts";
import { rowsInView, type Span } from "./visible-span.ts";

const ROW_PX = 48;
// Rows asked for while the list is shut: they say each file's state for whoever looks.
const ROWS_WHEN_SHUT = 24;

export type FileListActions = Readonly<{
  /** The rows wanted have changed; answers come by `show`. */
  onWindow: (span: Span) => void;
  onVerb: (verb: RowVerb, fileIds: readonly string[]) => void;
  /** Rows by the id of their first file, and how many files each stands for. */
  onSelect: (rows: ReadonlyMap<string, number>) => void;
}>;

export class FileList {
  readonly element: HTMLElement;
  readonly #space = element("div", { class: "file-list-space", role: "presentation" });
  readonly #rows = new Map<string, FileRow>();
  readonly #actions: FileListActions;
  readonly #previews: Previews;
  /** By row: how many files it stands for. */
  readonly #selected = new Map<string, number>();
  #rowCount = 0;
  #asked: Span = { first: 0, end: 0 };
  /** Rows to be selected as soon as it is known which files they are: far more than are in view, perhaps. */
  #toSelect: Span | null = null;
  /** The row that the keyboard is at, and the one a range begins with. */
  #current = 0;
  #anchor = 0;
  /** The row at `#current` takes the focus when it is drawn. */
  #wantsFocus = false;
  #frame = 0;
  #isInView = false;

  constructor(actions: FileListActions, previews: Previews) {
    this.#actions = actions;
    this.#previews = previews;
    this.element = element(
      "div",
      {
        class: "file-list",
        role: "grid",
        tabindex: -1,
        "aria-label": "Files",
        "aria-multiselectable": "true",
      },
      this.#space,
    );
    this.element.addEventListener("scroll", () => this.#askSoon(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    this.#space.addEventListener("click", (event) => this.#onClick(event));
    this.#space.addEventListener("focusin", (event) => this.#onFocus(event));
    new ResizeObserver(() => this.#askSoon()).observe(this.element);
  }

  /** Starts anew, for another gallery. */
  reset(): void {
    this.#asked = { first: 0, end: 0 };
    this.#rowCount = 0;
    this.#current = 0;
    this.#anchor = 0;
    this.#dropOthers(new Set());
    this.element.scrollTop = 0;
    this.clearSelection();
    this.#ask();
  }

  show(rows: readonly RowView[], fromIndex: number, rowCount: number): void {
    const isLonger = rowCount !== this.#rowCount;
    this.#rowCount = rowCount;
    this.element.ariaRowCount = String(rowCount);
    this.#space.style.height = `${rowCount * ROW_PX}px`;
    this.#selectAwaited(rows, fromIndex);
    this.#drawAll(rows, fromIndex);
    if (isLonger) {
      this.#askSoon();
    }
  }

  clearSelection(): void {
    this.#toSelect = null;
    if (this.#selected.size > 0) {
      this.#selected.clear();
      this.#tellSelected();
    }
  }

  #drawAll(rows: readonly RowView[], fromIndex: number): void {
    const { first, end } = this.#asked;
    // An answer about a range to be selected, or about where the list stood before: another one is on its way.
    if (fromIndex !== first || fromIndex + rows.length < Math.min(end, this.#rowCount)) {
      return;
    }
    const wanted = rows
      .map((view, offset) => ({ view, index: fromIndex + offset }))
      .filter(({ index }) => index >= first && index < end);
    this.#dropOthers(new Set(wanted.map(({ view }) => view.fileId)));
    for (const { view, index } of wanted) {
      this.#draw(view, index);
    }
    this.#current = Math.max(0, Math.min(this.#current, this.#rowCount - 1));
    this.#settleFocus();
  }

  #dropOthers(shown: ReadonlySet<string>): void {
    for (const [fileId, row] of this.#rows) {
      if (!shown.has(fileId)) {
        // The keyboard stays in the list when its row has left.
        this.#wantsFocus ||= row.box.contains(document.activeElement);
        row.leavePicture();
        row.box.remove();
        this.#rows.delete(fileId);
      }
    }
  }

  #draw(view: RowView, index: number): void {
    const row = this.#rows.get(view.fileId) ?? this.#add(view);
    if (row.index !== index) {
      row.index = index;
      row.box.style.transform = `translateY(${index * ROW_PX}px)`;
      row.box.ariaRowIndex = String(index + 1);
    }
    drawRow(row, view);
    if (view.file !== null) {
      this.#previews.offer(view.fileId, view.file);
    } else if (view.state === "done" && view.photoId !== null) {
      this.#previews.offerPhoto(view.fileId, view.photoId);
    }
  }

  #add(view: RowView): FileRow {
    const row = makeRow(view);
    markSelected(row, this.#selected.has(view.fileId));
    this.#showPicture(row);
    this.#rows.set(view.fileId, row);
    this.#space.append(row.box);
    return row;
  }

  /** A shut list shows no picture, so none is made for it. */
  #showPicture(row: FileRow): void {
    row.leavePicture();
    if (this.#isInView) {
      row.leavePicture = this.#previews.show(row.fileId, row.picture);
    }
  }

  // Which rows are wanted.

  #askSoon(): void {
    if (this.#frame === 0) {
      this.#frame = requestAnimationFrame(() => this.#ask());
    }
  }

  #ask(): void {
    this.#frame = 0;
    const height = this.element.clientHeight;
    if (height > 0 !== this.#isInView) {
      this.#isInView = height > 0;
      for (const row of this.#rows.values()) {
        this.#showPicture(row);
      }
    }
    const span =
      height === 0
        ? { first: 0, end: ROWS_WHEN_SHUT }
        : rowsInView(this.element.scrollTop, height, ROW_PX, Math.max(this.#rowCount, ROWS_WHEN_SHUT));
    if (span.first !== this.#asked.first || span.end !== this.#asked.end) {
      this.#asked = span;
      this.#actions.onWindow(span);
    }
  }

  // Selecting.

  #toggle(row: FileRow): void {
    this.#anchor = row.index;
    if (!this.#selected.delete(row.fileId)) {
      this.#selected.set(row.fileId, row.fileCount);
    }
    this.#tellSelected();
  }

  /** The rows between may never have been told of: they are asked for, once. */
  #selectTo(index: number): void {
    const first = Math.min(this.#anchor, index);
    this.#toSelect = { first, end: Math.max(this.#anchor, index) + 1 };
    this.#actions.onWindow(this.#toSelect);
    this.#actions.onWindow(this.#asked);
  }

  #selectAwaited(rows: readonly RowView[], fromIndex: number): void {
    const span = this.#toSelect;
    if (span === null || fromIndex > span.first || fromIndex + rows.length < span.end) {
      return;
    }
    this.#toSelect = null;
    this.#selected.clear();
    for (const row of rows.slice(span.first - fromIndex, span.end - fromIndex)) {
      this.#selected.set(row.fileId, fileCountOf(row));
    }
    this.#tellSelected();
  }

  #tellSelected(): void {
    for (const row of this.#rows.values()) {
      markSelected(row, this.#selected.has(row.fileId));
    }
    this.element.toggleAttribute("data-selecting", this.#selected.size > 0);
    this.#actions.onSelect(this.#selected);
  }

  // The keyboard and the pointer.

  #settleFocus(): void {
    const current = this.#rowAt(this.#current);
    const stop = current ?? this.#rows.values().next().value;
    for (const row of this.#rows.values()) {
      setTabStop(row, row === stop ? 0 : -1);
    }
    if (this.#wantsFocus && this.#mayFocus()) {
      (current?.box ?? this.element).focus({ preventScroll: true });
      this.#wantsFocus = current === undefined;
    }
  }

  /** Never taken from another part of the page. */
  #mayFocus(): boolean {
    const focused = document.activeElement;
    this.#wantsFocus = focused === null || focused === document.body || this.element.contains(focused);
    return this.#wantsFocus;
  }

  #rowAt(index: number): FileRow | undefined {
    return Array.from(this.#rows.values()).find((row) => row.index === index);
  }

  #goTo(index: number): void {
    this.#current = index;
    const top = index * ROW_PX;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) {
      this.element.scrollTop = top;
    } else if (top + ROW_PX > scrollTop + clientHeight) {
      this.element.scrollTop = top + ROW_PX - clientHeight;
    }
    this.#wantsFocus = true;
    this.#settleFocus();
  }

  #onFocus(event: Event): void {
    const row = this.#rowOf(event.target);
    if (row !== undefined && row.index !== this.#current) {
      this.#current = row.index;
      this.#settleFocus();
    }
  }

  #onKey(event: KeyboardEvent): void {
    // On a button the space bar is the button's.
    if (event.key === " " && event.target instanceof HTMLButtonElement) {
      return;
    }
    const place = {
      index: this.#current,
      rowCount: this.#rowCount,
      rowsInView: Math.floor(this.element.clientHeight / ROW_PX),
    };
    const key = listKeyOf(event, place);
    if (key !== null && this.#obey(key)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  /** Answers whether the key was of use. */
  #obey(key: ListKey): boolean {
    const row = this.#rowAt(this.#current);
    switch (key.type) {
      case "move":
        this.#move(key.index, key.extends);
        return true;
      case "toggle":
        if (row !== undefined) {
          this.#toggle(row);
        }
        return true;
      case "all":
        this.#anchor = 0;
        this.#selectTo(this.#rowCount - 1);
        return true;
      case "clear":
        return this.#leaveSelection();
      case "remove":
        this.#remove(row);
        return true;
      default:
        return key satisfies never;
    }
  }

  #move(index: number, doesExtend: boolean): void {
    if (doesExtend) {
      this.#selectTo(index);
    } else {
      this.#anchor = index;
    }
    this.#goTo(index);
  }

  #leaveSelection(): boolean {
    const hadSome = this.#selected.size > 0;
    this.clearSelection();
    return hadSome;
  }

  #remove(row: FileRow | undefined): void {
    const selected = Array.from(this.#selected.keys());
    const fileIds = selected.length > 0 || row === undefined ? selected : [row.fileId];
    this.clearSelection();
    this.#actions.onVerb("remove", fileIds);
  }

  #onClick(event: MouseEvent): void {
    const row = this.#rowOf(event.target);
    if (row === undefined || !(event.target instanceof Element)) {
      return;
    }
    const verb = event.target.closest<HTMLElement>("[data-verb]")?.dataset["verb"];
    const isCheck = event.target === row.check;
    if (verb !== undefined) {
      this.#onVerb(row, verb as RowVerb);
    } else if (event.shiftKey) {
      this.#selectTo(row.index);
    } else if (isCheck || event.ctrlKey || event.metaKey) {
      this.#toggle(row);
    }
  }

  #onVerb(row: FileRow, verb: RowVerb): void {
    if (verb === "remove" && this.#selected.delete(row.fileId)) {
      this.#tellSelected();
    }
    this.#actions.onVerb(verb, [row.fileId]);
  }

  #rowOf(target: EventTarget | null): FileRow | undefined {
    const box = target instanceof Element ? target.closest<HTMLElement>("[data-file-id]") : null;
    return this.#rows.get(box?.dataset["fileId"] ?? "");
  }
}
