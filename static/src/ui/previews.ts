// Small pictures of files on their way: for what is in view only, and a bounded number of them.

import { scaledTo } from "./picture-shape.ts";
import type { PreviewAsked, PreviewMade } from "./preview-words.ts";

/** What is asked for can't be taken back; what waits here can. */
const ASKED_AT_ONCE = 8;
const LONGEST_PX = 240;
/** 240 pixels a side at most, four bytes each: 22 MB. */
const KEPT = 96;
/** A drive that has gone would hold its place for ever. */
const MADE_WITHIN_MS = 15_000;

/** The file itself; of what has arrived, and is not at hand, the photo that was made of it. */
export type PictureSource = Blob | Readonly<{ photoId: string }>;
export type MakePicture = (source: PictureSource) => Promise<ImageBitmap | null>;

type Place = Readonly<{ canvas: HTMLCanvasElement; onDrawn: () => void }>;

export class Previews {
  readonly #make: MakePicture;
  readonly #sources = new Map<string, PictureSource>();
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
    this.#sources.set(fileId, file);
    this.#blank.delete(fileId);
    this.#makeNext();
  }

  /** Here is no file, as after a reload, but what became of it. */
  offerPhoto(fileId: string, photoId: string): void {
    if (!this.#sources.has(fileId)) {
      this.#sources.set(fileId, { photoId });
      this.#makeNext();
    }
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
      const source = this.#sources.get(fileId);
      if (source !== undefined && !this.#making.has(fileId) && !this.#blank.has(fileId)) {
        void this.#makeOne(fileId, source);
      }
    }
  }

  async #makeOne(fileId: string, source: PictureSource): Promise<void> {
    this.#making.add(fileId);
    const picture = await this.#make(source);
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

/** Of files in a Worker, which is begun with the first of them; of photos from their picture on the wall. */
export function browserPictures(gridRecipe: string): MakePicture {
  const ofFile = picturesFromWorker();
  return (source) =>
    source instanceof Blob ? ofFile(source) : pictureAt(`/photos/${source.photoId}/grid/${gridRecipe}`);
}

/** An image, not a call: what a store elsewhere answers may be shown, and is never read. */
async function pictureAt(url: string): Promise<ImageBitmap | null> {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    const { width, height } = scaledTo(
      { width: image.naturalWidth, height: image.naturalHeight },
      LONGEST_PX,
    );
    return await createImageBitmap(image, { resizeWidth: width, resizeHeight: height });
  } catch {
    return null;
  }
}

function picturesFromWorker(): (file: Blob) => Promise<ImageBitmap | null> {
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
