// Photos on their way, above the wall: a tile each from the first moment, with its own small picture and its state.

import type { RowView, UploadStateWord } from "../engine/port.ts";
import { element, setText } from "./element.ts";
import { icon, ring, turnRing } from "./icons.ts";
import type { Previews } from "./previews.ts";
import { filesOf, formatCount, photosOf } from "./quantities.ts";
import { shortenInTheMiddle } from "./short-name.ts";
import { fileCountOf, fileStatesOf, STATE_ICONS, shareSent, stateWords } from "./upload-words.ts";

// More would push the wall out of sight, and the list has them all.
const SHELF_ROWS = 2;
// As in the style sheet: the least a tile is wide, and the gap beside it.
const TILE_PX = { narrow: 96, wide: 120 } as const;
const GAP_PX = { narrow: 4, wide: 8 } as const;
const NARROW_PX = 700;
const NAME_CHARS = 18;
const NOT_ADDED: ReadonlySet<UploadStateWord> = new Set(["failed", "invalid"]);
/** The engine tells of what was chosen within a tenth of this, unless there is nothing left of it to be sent. */
const HELD_MS = 1_000;

type ShelfTile = Readonly<{
  box: HTMLElement;
  badge: HTMLElement;
  /** Ends the wait for its picture. */
  leavePicture: () => void;
}>;

export class UploadShelf {
  readonly #root: HTMLElement;
  readonly #line = element("p", { class: "shelf-line" });
  readonly #space = element("div", {
    class: "shelf-tiles",
    role: "list",
    "aria-label": "Photos on their way",
  });
  readonly #tiles = new Map<string, ShelfTile>();
  readonly #previews: Previews;
  readonly #onEmptied: () => void;
  /** The timer of what is shown before the engine has told of it; 0 where nothing is. */
  #hold = 0;
  /** The engine said meanwhile that the shelf is empty. */
  #isToldEmpty = false;

  /** `onEmptied`: the shelf has become empty by itself, not by `show`. */
  constructor(root: HTMLElement, previews: Previews, onEmptied = (): void => {}) {
    this.#root = root;
    this.#previews = previews;
    this.#onEmptied = onEmptied;
    root.replaceChildren(this.#line, this.#space);
    root.hidden = true;
  }

  get isEmpty(): boolean {
    return this.#root.hidden !== false;
  }

  /** How many tiles fill its rows in a page of this width. */
  capacity(widthPx: number): number {
    const size = window.innerWidth < NARROW_PX ? "narrow" : "wide";
    const columns = Math.floor((widthPx + GAP_PX[size]) / (TILE_PX[size] + GAP_PX[size]));
    return SHELF_ROWS * Math.max(1, columns);
  }

  end(): void {
    clearTimeout(this.#hold);
  }

  /** What was just chosen, before the engine knows of it: that the shelf is empty it may have said before. */
  showChosen(rows: readonly RowView[]): void {
    this.#drawAll(rows, filesIn(rows));
    this.#isToldEmpty = false;
    clearTimeout(this.#hold);
    this.#hold = window.setTimeout(() => this.#endHold(), HELD_MS);
  }

  /** `fileCount`: of all that is on its way. */
  show(rows: readonly RowView[], fileCount: number): void {
    this.#isToldEmpty = fileCount === 0;
    if (this.#isToldEmpty && this.#hold !== 0) {
      return;
    }
    clearTimeout(this.#hold);
    this.#hold = 0;
    this.#drawAll(rows, fileCount);
  }

  #endHold(): void {
    this.#hold = 0;
    if (this.#isToldEmpty) {
      this.#drawAll([], 0);
      this.#onEmptied();
    }
  }

  #drawAll(rows: readonly RowView[], fileCount: number): void {
    this.#root.hidden = fileCount === 0;
    setText(this.#line, lineOf(rows, fileCount));
    const shown = new Set(rows.map((row) => row.fileId));
    for (const [fileId, tile] of this.#tiles) {
      if (!shown.has(fileId)) {
        tile.leavePicture();
        tile.box.remove();
        this.#tiles.delete(fileId);
      }
    }
    for (const row of rows) {
      this.#draw(row);
    }
  }

  #draw(row: RowView): void {
    const tile = this.#tiles.get(row.fileId) ?? this.#add(row);
    if (row.file !== null) {
      this.#previews.offer(row.fileId, row.file);
    }
    if (tile.box.dataset["tileState"] !== row.state) {
      tile.box.dataset["tileState"] = row.state;
      const picture = STATE_ICONS[row.state];
      tile.badge.replaceChildren(picture === "ring" ? ring() : icon(picture));
    }
    const mark = tile.badge.firstElementChild;
    if (mark instanceof SVGSVGElement && mark.classList.contains("ring")) {
      turnRing(mark, shareSent(row));
    }
    const label = `${row.name}: ${stateWords(row)}`;
    if (tile.box.ariaLabel !== label) {
      tile.box.ariaLabel = label;
      tile.box.title = label;
    }
  }

  #add(row: RowView): ShelfTile {
    const canvas = element("canvas", { width: 1, height: 1, "aria-hidden": "true" });
    const badge = element("span", { class: "shelf-badge", "aria-hidden": "true" });
    const name = element(
      "span",
      { class: "shelf-name", dir: "auto", "aria-hidden": "true" },
      shortenInTheMiddle(row.name, NAME_CHARS),
    );
    const box = element("div", { class: "shelf-tile", role: "listitem" }, canvas, name, badge);
    // Nothing is drawn for what this browser can't show: the tile keeps its name.
    const leavePicture = this.#previews.show(row.fileId, canvas, () =>
      box.toggleAttribute("data-drawn", true),
    );
    const tile = { box, badge, leavePicture };
    this.#tiles.set(row.fileId, tile);
    this.#space.append(box);
    return tile;
  }
}

function filesIn(rows: readonly RowView[]): number {
  return rows.reduce((sum, row) => sum + fileCountOf(row), 0);
}

function lineOf(rows: readonly RowView[], fileCount: number): string {
  const states = rows.flatMap(fileStatesOf);
  const shownCount = states.length;
  // A RAW that failed beside its JPEG that is safe is one file.
  const failedCount = states.filter((state) => NOT_ADDED.has(state)).length;
  const doneCount = states.filter((state) => state === "done").length;
  if (shownCount === fileCount && shownCount === failedCount + doneCount) {
    return `${filesOf(failedCount)} not added`;
  }
  return fileCount > shownCount
    ? `${photosOf(fileCount)} on the way, the first ${formatCount(shownCount)} here`
    : "On the way";
}
