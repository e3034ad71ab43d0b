// Photos on their way, above the wall: a tile each from the first moment, with its own small picture and its state.

import type { RowView } from "../engine/port.ts";
import { element, setText } from "./element.ts";
import { icon, ring, turnRing } from "./icons.ts";
import { formatCount, photosOf } from "./quantities.ts";
import { shortenInTheMiddle } from "./short-name.ts";
import { STATE_ICONS, shareSent, stateWords } from "./upload-words.ts";

// More would push the wall out of sight, and the list has them all.
const SHELF_ROWS = 2;
// As in the style sheet: the least a tile is wide, and the gap beside it.
const TILE_PX = { narrow: 96, wide: 120 } as const;
const GAP_PX = { narrow: 4, wide: 8 } as const;
const NARROW_PX = 700;
const PICTURE_PX = 200;
// Decoding is the browser's, off this thread, but two at a time keep memory and scrolling calm.
const PICTURES_AT_ONCE = 2;
const NAME_CHARS = 18;

type ShelfTile = Readonly<{
  box: HTMLElement;
  canvas: HTMLCanvasElement;
  badge: HTMLElement;
  name: HTMLElement;
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
  readonly #toDraw: { file: Blob; tile: ShelfTile }[] = [];
  #drawing = 0;

  constructor(root: HTMLElement) {
    this.#root = root;
    root.replaceChildren(this.#line, this.#space);
    root.hidden = true;
  }

  /** How many tiles fill its rows in a page of this width. */
  capacity(widthPx: number): number {
    const size = window.innerWidth < NARROW_PX ? "narrow" : "wide";
    const columns = Math.floor((widthPx + GAP_PX[size]) / (TILE_PX[size] + GAP_PX[size]));
    return SHELF_ROWS * Math.max(1, columns);
  }

  show(rows: readonly RowView[], rowCount: number): void {
    this.#root.hidden = rowCount === 0;
    setText(this.#line, lineOf(rows, rowCount));
    const shown = new Set(rows.map((row) => row.fileId));
    for (const [fileId, tile] of this.#tiles) {
      if (!shown.has(fileId)) {
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
    const tile = { box, canvas, badge, name };
    this.#tiles.set(row.fileId, tile);
    this.#space.append(box);
    if (row.file !== null) {
      this.#toDraw.push({ file: row.file, tile });
      this.#drawNext();
    }
    return tile;
  }

  #drawNext(): void {
    const next = this.#drawing < PICTURES_AT_ONCE ? this.#toDraw.shift() : undefined;
    if (next === undefined) {
      return;
    }
    this.#drawing += 1;
    drawPicture(next.file, next.tile).finally(() => {
      this.#drawing -= 1;
      this.#drawNext();
    });
  }
}

function lineOf(rows: readonly RowView[], rowCount: number): string {
  if (rows.length === rowCount && rows.every((row) => row.state === "failed")) {
    return `${photosOf(rowCount)} not added`;
  }
  const others = rowCount - rows.length;
  return others > 0
    ? `${photosOf(rowCount)} on the way, the first ${formatCount(rows.length)} here`
    : "On the way";
}

/** Nothing is drawn for what this browser can't show (HEIC, RAW): the tile keeps its name. */
async function drawPicture(file: Blob, tile: ShelfTile): Promise<void> {
  if (!tile.box.isConnected) {
    return;
  }
  const bitmap = await bitmapOf(file);
  if (bitmap === null) {
    return;
  }
  tile.canvas.width = bitmap.width;
  tile.canvas.height = bitmap.height;
  tile.canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  bitmap.close();
  tile.box.toggleAttribute("data-drawn", true);
}

async function bitmapOf(file: Blob): Promise<ImageBitmap | null> {
  try {
    return await createImageBitmap(file, { resizeWidth: PICTURE_PX, resizeQuality: "low" });
  } catch {
    return null;
  }
}
