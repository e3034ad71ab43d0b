// Small pictures of files on their way: for what is in view only, and a bounded number of them.

import type { PreviewAsked, PreviewMade } from "./preview-words.ts";

/** What is asked for can't be taken back; what waits here can. */
const ASKED_AT_ONCE = 8;
/** 240 pixels a side at most, four bytes each: 22 MB. */
const KEPT = 96;
/** A drive that has gone would hold its place for ever. */
const MADE_WITHIN_MS = 15_000;

export type MakePicture = (file: Blob) => Promise<ImageBitmap | null>;

type Place = Readonly<{ canvas: HTMLCanvasElement; onDrawn: () => void }>;

export class Previews {
  readonly #make: MakePicture;
  readonly #files = new Map<string, Blob>();
  /** The last used is at the end. */
  readonly #pictures = new Map<string, ImageBitmap>();
  readonly #places = new Map<string, Set<Place>>();
  /** Files of which no picture can be made. */
  readonly #blank = new Set<string>();
  readonly #making = new Set<string>();

  constructor(make: MakePicture) {
    this.#make = make;
  }

  /** Here is the file itself: the engine hands each one out once. */
  offer(fileId: string, file: Blob): void {
    this.#files.set(fileId, file);
    this.#blank.delete(fileId);
    this.#makeNext();
  }

  /** Draws the file's picture here as soon as there is one. Answers what ends that: it is not in view any more. */
  show(fileId: string, canvas: HTMLCanvasElement, onDrawn = (): void => {}): () => void {
    const place = { canvas, onDrawn };
    const picture = this.#pictures.get(fileId);
    if (picture !== undefined) {
      this.#keep(fileId, picture);
      draw(picture, place);
      return () => {};
    }
    const places = this.#places.get(fileId) ?? new Set();
    places.add(place);
    this.#places.set(fileId, places);
    this.#makeNext();
    return () => this.#leave(fileId, place);
  }

  #leave(fileId: string, place: Place): void {
    const places = this.#places.get(fileId);
    places?.delete(place);
    if (places?.size === 0) {
      this.#places.delete(fileId);
    }
  }

  #makeNext(): void {
    for (const fileId of this.#places.keys()) {
      if (this.#making.size >= ASKED_AT_ONCE) {
        return;
      }
      const file = this.#files.get(fileId);
      if (file !== undefined && !this.#making.has(fileId) && !this.#blank.has(fileId)) {
        void this.#makeOne(fileId, file);
      }
    }
  }

  async #makeOne(fileId: string, file: Blob): Promise<void> {
    this.#making.add(fileId);
    const picture = await this.#make(file);
    this.#making.delete(fileId);
    if (picture === null) {
      this.#blank.add(fileId);
    } else {
      this.#keep(fileId, picture);
      for (const place of this.#places.get(fileId) ?? []) {
        draw(picture, place);
      }
      this.#places.delete(fileId);
    }
    this.#makeNext();
  }

  #keep(fileId: string, picture: ImageBitmap): void {
    this.#pictures.delete(fileId);
    this.#pictures.set(fileId, picture);
    const [oldest] = this.#pictures.keys();
    if (this.#pictures.size > KEPT && oldest !== undefined) {
      this.#pictures.get(oldest)?.close();
      this.#pictures.delete(oldest);
    }
  }
}

function draw(picture: ImageBitmap, { canvas, onDrawn }: Place): void {
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d")?.drawImage(picture, 0, 0);
  onDrawn();
}

/** Makes them in a Worker, which is begun with the first of them. */
export function picturesFromWorker(): MakePicture {
  const asked = new Map<number, (picture: ImageBitmap | null) => void>();
  let worker: Worker | null = null;
  let lastNumber = 0;

  const answer = (number: number, picture: ImageBitmap | null): void => {
    const resolve = asked.get(number);
    asked.delete(number);
    if (resolve === undefined) {
      picture?.close();
    } else {
      resolve(picture);
    }
  };
  const start = (): Worker => {
    const started = new Worker(new URL("./preview-worker.ts", import.meta.url), { type: "module" });
    started.addEventListener("message", ({ data }: MessageEvent<readonly PreviewMade[]>) => {
      for (const { number, picture } of data) {
        answer(number, picture);
      }
    });
    started.addEventListener("error", () => {
      worker = null;
      for (const number of [...asked.keys()]) {
        answer(number, null);
      }
    });
    return started;
  };

  return (file) =>
    new Promise((resolve) => {
      worker ??= start();
      lastNumber += 1;
      const number = lastNumber;
      asked.set(number, resolve);
      setTimeout(() => answer(number, null), MADE_WITHIN_MS);
      worker.postMessage({ number, file } satisfies PreviewAsked);
    });
}
