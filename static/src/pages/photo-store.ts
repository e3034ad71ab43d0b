// The photos of the gallery on screen: the first page comes with the page itself, the others by the API, the new
// ones by the socket. A gap in the versions means something was missed, and the list is read again.

import {
  mergePhotos,
  type PhotoPage,
  readPhoto,
  readPhotoPage,
  type WallOrder,
  type WallPhoto,
} from "../ui/wall-photo.ts";
import { fieldOf, getJson } from "./site-api.ts";

const PAGE_SIZE = 1_000;

export class PhotoStore {
  photos: readonly WallPhoto[] = [];
  readonly #galleryId: string;
  readonly #order: WallOrder;
  readonly #onChange: (arrived: ReadonlySet<string>) => void;
  #version = 0;
  #run = 0;
  #isReading = false;

  constructor(galleryId: string, order: WallOrder, onChange: (arrived: ReadonlySet<string>) => void) {
    this.#galleryId = galleryId;
    this.#order = order;
    this.#onChange = onChange;
  }

  async begin(first: PhotoPage): Promise<void> {
    this.photos = first.photos;
    this.#version = first.version;
    this.#onChange(new Set());
    if (first.nextCursor !== null) {
      await this.#readFrom(first.nextCursor, first.photos);
    }
  }

  end(): void {
    this.#run += 1;
  }

  /** A message of the socket: `photos` merges, `snapshot` and anything with a gap reads the list again. */
  heard(message: unknown): void {
    const type = fieldOf(message, "type");
    const version = numberOf(fieldOf(message, "version"));
    if (type === "snapshot") {
      if (version > this.#version) {
        this.#readAgain();
      }
    } else if (type === "photos") {
      this.#merge(message, version);
    } else if (numberOf(fieldOf(message, "previous")) === this.#version) {
      this.#version = version;
    }
  }

  /** What this page changed itself, before the socket says so. */
  apply(changed: readonly WallPhoto[]): void {
    this.photos = mergePhotos(this.photos, changed, this.#order);
    this.#onChange(new Set());
  }

  #merge(message: unknown, version: number): void {
    const rows = fieldOf(message, "photos");
    const changed = Array.isArray(rows) ? rows.flatMap((row) => readPhoto(row) ?? []) : [];
    const known = new Set(this.photos.map((photo) => photo.id));
    const hasGap = numberOf(fieldOf(message, "previous")) > this.#version;
    this.photos = mergePhotos(this.photos, changed, this.#order);
    this.#version = Math.max(this.#version, version);
    this.#onChange(new Set(changed.filter((photo) => !known.has(photo.id)).map((photo) => photo.id)));
    if (hasGap) {
      this.#readAgain();
    }
  }

  #readAgain(): void {
    if (!this.#isReading) {
      void this.#readFrom(null, []);
    }
  }

  async #readFrom(start: string | null, before: readonly WallPhoto[]): Promise<void> {
    const run = this.#run;
    this.#isReading = true;
    let read = before;
    let cursor = start;
    do {
      const page = await this.#readPage(cursor);
      if (page === null || run !== this.#run) {
        break;
      }
      read = [...read, ...page.photos];
      cursor = page.nextCursor;
      this.#version = Math.max(this.#version, page.version);
      // While a list grows it is shown as it grows; a list read again replaces the other when it is whole.
      if (start !== null || cursor === null) {
        this.photos = withLater(read, this.photos, start !== null);
        this.#onChange(new Set());
      }
    } while (cursor !== null);
    this.#isReading = false;
  }

  async #readPage(cursor: string | null): Promise<PhotoPage | null> {
    const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
    if (cursor !== null) {
      query.set("cursor", cursor);
    }
    const answer = await getJson(`/api/galleries/${this.#galleryId}/photos?${query}`);
    return answer.ok ? readPhotoPage(answer.value) : null;
  }
}

/** Photos that arrived by the socket while the list was still being read stay. */
function withLater(
  read: readonly WallPhoto[],
  shown: readonly WallPhoto[],
  isGrowing: boolean,
): readonly WallPhoto[] {
  if (!isGrowing) {
    return read;
  }
  const ids = new Set(read.map((photo) => photo.id));
  return [...read, ...shown.filter((photo) => !ids.has(photo.id))];
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
