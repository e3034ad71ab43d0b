// The wall of photos: thousands in rows, of which only those near the viewport are elements.

import { element, setAttributes, setText } from "./element.ts";
import { icon } from "./icons.ts";
import { justify, type Wall } from "./justified-layout.ts";
import { decodeThumbhash, meanColor } from "./thumbhash.ts";
import { type Span, tileInNextRow, tilesBetween } from "./visible-span.ts";
import { ratioOf, type WallKind, type WallPhoto } from "./wall-photo.ts";

export type WallOptions = Readonly<{
  root: HTMLElement;
  status: WallKind["status"];
  photoUrl: (photo: WallPhoto) => string;
  canSelect: boolean;
  onOpen: (index: number) => void;
  onSelect: (selected: ReadonlySet<string>) => void;
}>;

type Tile = {
  readonly box: HTMLElement;
  readonly link: HTMLAnchorElement;
  readonly image: HTMLImageElement;
  readonly canvas: HTMLCanvasElement;
  readonly select: HTMLButtonElement | null;
  photo: WallPhoto;
  index: number;
  hasPlaceholder: boolean;
};

const NARROW_PX = 700;
const ROW_PX = { narrow: 124, wide: 232 } as const;
// Rows kept ready beyond the viewport, as a share of its height.
const MARGIN = 0.75;
// Scrolling faster than this a picture would be gone before it came; only its placeholder is drawn.
const FAST_PX_PER_MS = 4;
const SETTLED_AFTER_MS = 90;
const BLURRED_BEYOND = 1.35;
const PLACEHOLDER_BUDGET_MS = 4;
const MOST_SPARE = 80;
const LONG_PRESS_MS = 450;

/** What a tile bears names published photos only: whoever counts those counts no other. */
const ID_OF: Readonly<Record<WallKind["status"], string>> = {
  ready: "data-photo-id",
  staged: "data-staged-photo-id",
};

type Anchor = Readonly<{ id: string; offset: number }>;

export class PhotoWall {
  readonly #root: HTMLElement;
  readonly #options: WallOptions;
  readonly #tiles = new Map<string, Tile>();
  /** Tiles out of view, to be used again: making an element costs more than changing it. */
  readonly #spare: Tile[] = [];
  readonly #selected = new Set<string>();
  readonly #ends = new AbortController();
  readonly #observer = new ResizeObserver(() => this.#onResize());
  readonly #surroundings = new ResizeObserver(() => this.#drawSoon());
  #photos: readonly WallPhoto[] = [];
  #arrived: ReadonlySet<string> = new Set();
  #wall: Wall;
  #activeIndex = 0;
  #frame = 0;
  #settling = 0;
  #lastScroll = { y: 0, at: 0 };
  #isFast = false;

  constructor(options: WallOptions) {
    this.#options = options;
    this.#root = options.root;
    this.#wall = justify([], measureOf(options.root));
    options.root.replaceChildren();
    options.root.setAttribute("role", "list");
    this.#listen();
  }

  show(photos: readonly WallPhoto[], arrived: ReadonlySet<string> = new Set()): void {
    const anchor = this.#anchor();
    this.#photos = photos;
    this.#arrived = arrived;
    this.#activeIndex = Math.min(this.#activeIndex, Math.max(0, photos.length - 1));
    this.#forgetGone();
    this.#lay();
    this.#keepAnchor(anchor);
    this.#draw();
  }

  clearSelection(): void {
    this.#selected.clear();
    this.#tellSelection();
    this.#drawSoon();
  }

  focus(index: number): void {
    const photo = this.#photos[index];
    if (photo !== undefined) {
      this.#activeIndex = index;
      this.reveal(index);
      this.#draw();
      this.#tiles.get(photo.id)?.link.focus({ preventScroll: true });
    }
  }

  reveal(index: number): void {
    const top = this.#root.getBoundingClientRect().top + (this.#wall.tops[index] ?? 0);
    const bottom = top + (this.#wall.heights[index] ?? 0);
    if (top < 0) {
      window.scrollBy({ top: top - 16, behavior: "instant" });
    } else if (bottom > window.innerHeight) {
      window.scrollBy({ top: bottom - window.innerHeight + 16, behavior: "instant" });
    }
  }

  tileOf(index: number): HTMLElement | null {
    return this.#tiles.get(this.#photos[index]?.id ?? "")?.box ?? null;
  }

  end(): void {
    this.#ends.abort();
    this.#observer.disconnect();
    this.#surroundings.disconnect();
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#settling);
    this.#root.replaceChildren();
  }

  #listen(): void {
    const { signal } = this.#ends;
    this.#root.addEventListener("click", (event) => this.#onClick(event), { signal });
    this.#root.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    this.#root.addEventListener("focusin", (event) => this.#onFocus(event), { signal });
    window.addEventListener("scroll", () => this.#onScroll(), { signal, passive: true });
    if (this.#options.canSelect) {
      listenForLongPress(this.#root, (event) => this.#onLongPress(event), signal);
    }
    this.#observer.observe(this.#root);
    // What stands above the wall comes and goes, and the wall moves without a scroll.
    if (this.#root.parentElement !== null) {
      this.#surroundings.observe(this.#root.parentElement);
    }
  }

  #lay(): void {
    this.#wall = justify(this.#photos.map(ratioOf), measureOf(this.#root));
    this.#root.style.height = `${this.#wall.height}px`;
  }

  #draw(): void {
    this.#frame = 0;
    const top = -this.#root.getBoundingClientRect().top;
    const margin = window.innerHeight * MARGIN;
    const span = tilesBetween(this.#wall, top - margin, top + window.innerHeight + margin);
    this.#dropOutside(span);
    for (let index = span.first; index < span.end; index += 1) {
      const photo = this.#photos[index];
      if (photo !== undefined) {
        this.#drawTile(photo, index);
      }
    }
    this.#loadPictures();
    this.#drawPlaceholders();
  }

  #drawSoon(): void {
    if (this.#frame === 0) {
      this.#frame = requestAnimationFrame(() => this.#draw());
    }
  }

  #dropOutside(span: Span): void {
    for (const [id, tile] of this.#tiles) {
      const isGone = this.#photos[tile.index]?.id !== id;
      const isOutside = tile.index < span.first || tile.index >= span.end;
      // What holds the focus stays, or the keyboard would lose its place.
      if (isGone || (isOutside && !tile.box.contains(document.activeElement))) {
        this.#tiles.delete(id);
        this.#putAside(tile);
      }
    }
  }

  #drawTile(photo: WallPhoto, index: number): void {
    const tile = this.#tiles.get(photo.id) ?? this.#addTile(photo, index);
    tile.index = index;
    if (tile.photo !== photo) {
      refreshTile(tile, photo, this.#options);
    }
    place(tile, this.#wall, this.#photos.length);
    tile.link.tabIndex = index === this.#activeIndex ? 0 : -1;
    markSelected(tile, this.#selected.has(photo.id));
  }

  #addTile(photo: WallPhoto, index: number): Tile {
    const tile = this.#spare.pop() ?? this.#makeTile(photo, index);
    refreshTile(tile, photo, this.#options);
    if (this.#arrived.has(photo.id)) {
      tile.box.append(element("span", { class: "tile-arrived" }, icon("check")));
    }
    tile.box.hidden = false;
    this.#tiles.set(photo.id, tile);
    return tile;
  }

  #makeTile(photo: WallPhoto, index: number): Tile {
    const tile = makeTile(photo, index, this.#options);
    this.#root.append(tile.box);
    return tile;
  }

  #putAside(tile: Tile): void {
    if (this.#spare.length < MOST_SPARE) {
      blank(tile, ID_OF[this.#options.status]);
      this.#spare.push(tile);
    } else {
      tile.box.remove();
    }
  }

  #loadPictures(): void {
    if (this.#isFast) {
      return;
    }
    for (const tile of this.#tiles.values()) {
      const url = pictureUrlOf(tile.photo, this.#wall.widths[tile.index] ?? 0);
      if (url !== null && tile.image.getAttribute("src") !== url) {
        tile.image.src = url;
      }
    }
  }

  #drawPlaceholders(): void {
    if (this.#isFast) {
      return;
    }
    const start = performance.now();
    for (const tile of this.#tiles.values()) {
      if (performance.now() - start > PLACEHOLDER_BUDGET_MS) {
        this.#drawSoon();
        return;
      }
      drawPlaceholder(tile);
    }
  }

  #onScroll(): void {
    const now = performance.now();
    const speed = Math.abs(window.scrollY - this.#lastScroll.y) / Math.max(1, now - this.#lastScroll.at);
    this.#lastScroll = { y: window.scrollY, at: now };
    this.#isFast = speed > FAST_PX_PER_MS;
    clearTimeout(this.#settling);
    this.#settling = window.setTimeout(() => {
      this.#isFast = false;
      this.#drawSoon();
    }, SETTLED_AFTER_MS);
    this.#drawSoon();
  }

  #onResize(): void {
    const anchor = this.#anchor();
    this.#lay();
    this.#keepAnchor(anchor);
    this.#drawSoon();
  }

  /** The first tile in view: what a person looks at stays where it is when the wall grows above it. */
  #anchor(): Anchor | null {
    const top = -this.#root.getBoundingClientRect().top;
    if (top <= 0) {
      return null;
    }
    const { first } = tilesBetween(this.#wall, top, top + 1);
    const photo = this.#photos[first];
    return photo === undefined ? null : { id: photo.id, offset: top - (this.#wall.tops[first] ?? 0) };
  }

  #keepAnchor(anchor: Anchor | null): void {
    const index = anchor === null ? -1 : this.#photos.findIndex((photo) => photo.id === anchor.id);
    if (anchor !== null && index !== -1) {
      const top = this.#root.getBoundingClientRect().top + window.scrollY;
      window.scrollTo({ top: top + (this.#wall.tops[index] ?? 0) + anchor.offset, behavior: "instant" });
    }
  }

  #tileOfEvent(event: Event): Tile | null {
    const name = ID_OF[this.#options.status];
    const box = event.target instanceof Element ? event.target.closest(`[${name}]`) : null;
    return this.#tiles.get(box?.getAttribute(name) ?? "") ?? null;
  }

  #onClick(event: MouseEvent): void {
    const tile = this.#tileOfEvent(event);
    if (tile === null || !(event.target instanceof Element)) {
      return;
    }
    if (event.target.closest(".tile-select") !== null || this.#selected.size > 0) {
      event.preventDefault();
      this.#select(tile, event.shiftKey);
    } else if (isPlainClick(event)) {
      event.preventDefault();
      this.#options.onOpen(tile.index);
    }
  }

  #onKey(event: KeyboardEvent): void {
    const tile = this.#tileOfEvent(event);
    if (tile === null || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    if (event.key === "x" && this.#options.canSelect) {
      this.#toggle(tile);
      return;
    }
    const target = targetOfKey(event.key, tile.index, this.#wall);
    if (target !== null) {
      event.preventDefault();
      this.focus(Math.min(Math.max(0, target), this.#photos.length - 1));
    }
  }

  #onFocus(event: Event): void {
    const tile = this.#tileOfEvent(event);
    if (tile !== null && tile.index !== this.#activeIndex) {
      this.#activeIndex = tile.index;
      this.#drawSoon();
    }
  }

  #onLongPress(event: Event): void {
    const tile = this.#tileOfEvent(event);
    if (tile !== null) {
      this.#toggle(tile);
    }
  }

  #select(tile: Tile, isRange: boolean): void {
    if (isRange && this.#selected.size > 0) {
      this.#selectTo(tile);
    } else {
      this.#toggle(tile);
    }
  }

  #toggle(tile: Tile): void {
    if (!this.#selected.delete(tile.photo.id)) {
      this.#selected.add(tile.photo.id);
    }
    markSelected(tile, this.#selected.has(tile.photo.id));
    this.#tellSelection();
  }

  #selectTo(tile: Tile): void {
    const last = Array.from(this.#selected).at(-1);
    const from = this.#photos.findIndex((photo) => photo.id === last);
    const [low, high] = [Math.max(0, Math.min(from, tile.index)), Math.max(from, tile.index)];
    for (const photo of this.#photos.slice(low, high + 1)) {
      this.#selected.add(photo.id);
    }
    this.#drawSoon();
    this.#tellSelection();
  }

  #tellSelection(): void {
    this.#root.toggleAttribute("data-selecting", this.#selected.size > 0);
    this.#options.onSelect(new Set(this.#selected));
  }

  #forgetGone(): void {
    if (this.#selected.size === 0) {
      return;
    }
    const present = new Set(this.#photos.map((photo) => photo.id));
    for (const id of this.#selected) {
      if (!present.has(id)) {
        this.#selected.delete(id);
      }
    }
  }
}

function measureOf(root: HTMLElement): { width: number; rowHeight: number; gap: number } {
  const width = Math.max(1, Math.floor(root.clientWidth));
  const isNarrow = width < NARROW_PX;
  return { width, rowHeight: isNarrow ? ROW_PX.narrow : ROW_PX.wide, gap: isNarrow ? 4 : 8 };
}

function makeTile(photo: WallPhoto, index: number, options: WallOptions): Tile {
  const image = element("img", { alt: "", decoding: "async", draggable: "false" });
  const canvas = element("canvas", { width: 1, height: 1, "aria-hidden": "true" });
  const link = element("a", { class: "tile-link" }, canvas, image);
  const select = options.canSelect ? selectButton() : null;
  const name = element("span", { class: "tile-name", dir: "auto", "aria-hidden": "true" });
  const box = element(
    "div",
    { class: "tile", role: "listitem" },
    link,
    ...(select === null ? [] : [select]),
    ...(options.status === "staged" ? [element("span", { class: "tile-waiting" }, icon("clock"))] : []),
    name,
  );
  const tile: Tile = { box, link, image, canvas, select, photo, index, hasPlaceholder: false };
  image.addEventListener("load", () => box.setAttribute("data-loaded", ""));
  image.addEventListener("error", () => box.removeAttribute("data-loaded"));
  return tile;
}

/** As new: what it showed of one photo must not show under another. */
function blank(tile: Tile, idName: string): void {
  tile.box.hidden = true;
  setAttributes(tile.box, { [idName]: null, "aria-posinset": null, "aria-setsize": null });
  tile.box.removeAttribute("data-loaded");
  tile.box.querySelector(".tile-arrived")?.remove();
  tile.image.removeAttribute("src");
  tile.canvas.width = 1;
  tile.canvas.height = 1;
  tile.hasPlaceholder = false;
}

function selectButton(): HTMLButtonElement {
  return element(
    "button",
    { class: "tile-select", type: "button", tabindex: -1, "aria-pressed": "false" },
    element("span", {}, icon("check")),
  );
}

function refreshTile(tile: Tile, photo: WallPhoto, options: WallOptions): void {
  tile.photo = photo;
  tile.box.setAttribute(ID_OF[options.status], photo.id);
  tile.box.style.backgroundColor = (photo.thumbhash === null ? null : meanColor(photo.thumbhash)) ?? "";
  const label = options.status === "staged" ? `${photo.name}, not published` : photo.name;
  setAttributes(tile.link, { href: options.photoUrl(photo), "aria-label": label });
  tile.select?.setAttribute("aria-label", `Select ${photo.name}`);
  const name = tile.box.querySelector(".tile-name");
  if (name !== null) {
    setText(name, photo.name);
  }
}

function place(tile: Tile, wall: Wall, photoCount: number): void {
  const { index, box } = tile;
  box.style.width = `${wall.widths[index]}px`;
  box.style.height = `${wall.heights[index]}px`;
  box.style.transform = `translate(${wall.lefts[index]}px, ${wall.tops[index]}px)`;
  setAttributes(box, { "aria-posinset": index + 1, "aria-setsize": photoCount });
}

function markSelected(tile: Tile, isSelected: boolean): void {
  tile.box.toggleAttribute("data-selected", isSelected);
  tile.select?.setAttribute("aria-pressed", String(isSelected));
}

/** A panorama is wider on the wall than its small picture is: it takes the larger one. */
function pictureUrlOf(photo: WallPhoto, widthPx: number): string | null {
  const { grid, view } = photo;
  if (grid === null || (view !== null && widthPx > grid.width * BLURRED_BEYOND)) {
    return view?.url ?? null;
  }
  return grid.url;
}

function drawPlaceholder(tile: Tile): void {
  if (tile.hasPlaceholder) {
    return;
  }
  tile.hasPlaceholder = true;
  const placeholder = tile.photo.thumbhash === null ? null : decodeThumbhash(tile.photo.thumbhash);
  const context = placeholder === null ? null : tile.canvas.getContext("2d", { willReadFrequently: true });
  if (placeholder === null || context === null) {
    return;
  }
  tile.canvas.width = placeholder.width;
  tile.canvas.height = placeholder.height;
  context.putImageData(new ImageData(placeholder.rgba, placeholder.width, placeholder.height), 0, 0);
}

/** A new tab or window is the browser's to open. */
function isPlainClick(event: MouseEvent): boolean {
  return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
}

function targetOfKey(key: string, index: number, wall: Wall): number | null {
  switch (key) {
    case "ArrowLeft":
      return index - 1;
    case "ArrowRight":
      return index + 1;
    case "ArrowUp":
      return tileInNextRow(wall, index, -1);
    case "ArrowDown":
      return tileInNextRow(wall, index, 1);
    case "Home":
      return 0;
    case "End":
      return wall.lefts.length - 1;
    default:
      return null;
  }
}

function listenForLongPress(root: HTMLElement, onPress: (event: Event) => void, signal: AbortSignal): void {
  let timer = 0;
  let isPressed = false;
  const stop = (): void => clearTimeout(timer);
  root.addEventListener(
    "pointerdown",
    (event) => {
      stop();
      isPressed = false;
      if (event.pointerType === "touch") {
        timer = window.setTimeout(() => {
          isPressed = true;
          onPress(event);
        }, LONG_PRESS_MS);
      }
    },
    { signal },
  );
  for (const type of ["pointerup", "pointercancel", "pointermove"] as const) {
    root.addEventListener(type, stop, { signal });
  }
  // The click that ends a long press must not undo it, nor may the menu of the link come up.
  const swallow = (event: Event): void => {
    if (isPressed) {
      event.preventDefault();
      event.stopPropagation();
      isPressed = event.type === "contextmenu";
    }
  };
  root.addEventListener("click", swallow, { signal, capture: true });
  root.addEventListener("contextmenu", swallow, { signal, capture: true });
}
