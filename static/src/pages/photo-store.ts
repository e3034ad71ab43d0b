// The photos of the gallery on screen, published or not yet: the first page of those that are published comes with the
// page itself, all others by the API, the new ones by the socket. Whatever is lost, late or doubled on the way, the wall ends with what the server has.

import type { Cancel, Clock } from "../kernel/clock.ts";
import {
  mergePhotos,
  type PhotoPage,
  readPhoto,
  readPhotoPage,
  type WallKind,
  type WallPhoto,
} from "../ui/wall-photo.ts";
import { type Coverage, covering, heardOf, isBehind, knownUpTo } from "./coverage.ts";
import { fieldOf, getJson } from "./site-api.ts";

const PAGE_SIZE = 1_000;
// A gap is often only a message that another has overtaken: it may still come.
const GAP_GRACE_MS = 1_000;
const READ_EVERY_MS = 3_000;
const RETRY_AFTER_MS = 10_000;
const QUIET_AFTER_MS = 2_000;

/** `photoCount` is null where the server counts none of this kind. */
export type GalleryFacts = Readonly<{ photoCount: number | null; version: number }>;

export type PhotoStorePorts = Readonly<{
  clock: Clock;
  /** null where there was no answer. */
  readPage: (cursor: string | null) => Promise<PhotoPage | null>;
  readFacts: () => Promise<GalleryFacts | null>;
}>;

export function photosOverHttp(
  galleryId: string,
  status: WallKind["status"],
): Omit<PhotoStorePorts, "clock"> {
  return {
    readPage: async (cursor) => {
      const query = new URLSearchParams({ status, limit: String(PAGE_SIZE) });
      if (cursor !== null) {
        query.set("cursor", cursor);
      }
      const answer = await getJson(`/api/galleries/${galleryId}/photos?${query}`);
      return answer.ok ? readPhotoPage(answer.value) : null;
    },
    readFacts: async () => {
      const answer = await getJson(`/api/galleries/${galleryId}`);
      return answer.ok
        ? {
            photoCount: status === "ready" ? numberOf(fieldOf(answer.value, "photo_count")) : null,
            version: numberOf(fieldOf(answer.value, "version")),
          }
        : null;
    },
  };
}

export class PhotoStore {
  photos: readonly WallPhoto[] = [];
  readonly #ports: PhotoStorePorts;
  readonly #kind: WallKind;
  readonly #onChange: (arrived: ReadonlySet<string>) => void;
  #coverage: Coverage = knownUpTo(0);
  /** By photo: the gallery's version that told of it last. Only a later list can prove that it is gone. */
  readonly #toldAt = new Map<string, number>();
  /** By photo that left: its own version then. An older row does not bring it back. */
  readonly #gone = new Map<string, number>();
  #listVersion = 0;
  #isEnded = false;
  #isReading = false;
  /** Set while the list must be read again though no gap shows. */
  #isDoubtful = false;
  #cancelRead: Cancel | null = null;
  #cancelCheck: Cancel | null = null;
  #readableFromMs = 0;

  constructor(ports: PhotoStorePorts, kind: WallKind, onChange: (arrived: ReadonlySet<string>) => void) {
    this.#ports = ports;
    this.#kind = kind;
    this.#onChange = onChange;
  }

  /** Whether a list was read to its end: before that, the server counts more photos than are known here. */
  get isWhole(): boolean {
    return this.#listVersion > 0;
  }

  /** Without its first page the list is read from the beginning. */
  async begin(first: PhotoPage | null): Promise<void> {
    if (first === null) {
      await this.#read(null);
      return;
    }
    this.photos = first.photos;
    this.#coverage = knownUpTo(first.version);
    this.#remember(first.photos, first.version);
    this.#onChange(new Set());
    if (first.nextCursor === null) {
      this.#listVersion = first.version;
    } else {
      await this.#read(first);
    }
  }

  end(): void {
    this.#isEnded = true;
    this.#cancelRead?.();
    this.#cancelCheck?.();
  }

  /** A message of the socket: rows are merged by their own versions, a gap has the list read again. */
  heard(message: unknown): void {
    const version = numberOf(fieldOf(message, "version"));
    const previous = fieldOf(message, "previous");
    if (typeof previous === "number") {
      this.#coverage = covering(this.#coverage, previous, version);
    } else if (fieldOf(message, "type") === "snapshot") {
      this.#coverage = heardOf(this.#coverage, version);
    }
    if (fieldOf(message, "type") === "photos") {
      const rows = fieldOf(message, "photos");
      this.#take(Array.isArray(rows) ? rows.flatMap((row) => readPhoto(row) ?? []) : [], version);
    }
    this.#readSoon();
    this.checkSoon();
  }

  /** What this page changed itself, before the socket says so. */
  apply(changed: readonly WallPhoto[]): void {
    this.#take(changed, this.#coverage.latest + 1, false);
  }

  /** Once nothing has been heard for a moment, the count of the server is compared with what is shown. */
  checkSoon(): void {
    this.#cancelCheck?.();
    this.#cancelCheck = this.#isEnded ? null : this.#ports.clock.after(QUIET_AFTER_MS, () => this.#check());
  }

  async #check(): Promise<void> {
    this.#cancelCheck = null;
    const facts = this.#isReading ? null : await this.#ports.readFacts();
    if (this.#isEnded) {
      return;
    }
    if (this.#isReading) {
      // A list that is still being read knows fewer photos than the server counted.
      this.checkSoon();
      return;
    }
    if (facts === null) {
      this.#cancelCheck ??= this.#ports.clock.after(RETRY_AFTER_MS, () => this.#check());
      return;
    }
    this.#coverage = heardOf(this.#coverage, facts.version);
    // A list as new as the count is believed more than the count, or it would be read for ever.
    const isMiscounted = facts.photoCount !== null && facts.photoCount !== this.photos.length;
    this.#isDoubtful ||= isMiscounted && facts.version > this.#listVersion;
    this.#readSoon();
  }

  #take(changed: readonly WallPhoto[], version: number, areNew = true): void {
    const known = new Set(this.photos.map((photo) => photo.id));
    // A list at least as new as the message has not got the photo: it was deleted since, and its last word was lost.
    const isOld = (photo: WallPhoto): boolean => version <= this.#listVersion && !known.has(photo.id);
    const current = changed.filter(
      (photo) => photo.version > (this.#gone.get(photo.id) ?? -1) && !isOld(photo),
    );
    this.photos = mergePhotos(this.photos, current, this.#kind);
    this.#remember(current, version);
    const arrived = current.filter((photo) => areNew && !known.has(photo.id)).map((photo) => photo.id);
    this.#onChange(new Set(arrived));
  }

  #remember(photos: readonly WallPhoto[], version: number): void {
    for (const photo of photos) {
      this.#toldAt.set(photo.id, Math.max(version, this.#toldAt.get(photo.id) ?? 0));
      if (photo.status !== this.#kind.status) {
        this.#gone.set(photo.id, photo.version);
      }
    }
  }

  #isReadWanted(): boolean {
    return !this.#isEnded && (this.#isDoubtful || isBehind(this.#coverage));
  }

  /** At most one read runs and one waits. */
  #readSoon(): void {
    if (this.#isReading || this.#cancelRead !== null || !this.#isReadWanted()) {
      return;
    }
    const delayMs = Math.max(GAP_GRACE_MS, this.#readableFromMs - this.#ports.clock.nowMs());
    this.#cancelRead = this.#ports.clock.after(delayMs, () => {
      this.#cancelRead = null;
      // What was missing may have come by itself.
      if (this.#isReadWanted()) {
        void this.#read(null);
      }
    });
  }

  /** `first` is the page shown already, if any. Until the list was read once it is shown as it grows. */
  async #read(first: PhotoPage | null): Promise<void> {
    this.#isReading = true;
    this.#isDoubtful = false;
    const isWhole = await this.#readPages(first);
    this.#isReading = false;
    this.#isDoubtful ||= !isWhole;
    this.#readableFromMs = this.#ports.clock.nowMs() + (isWhole ? READ_EVERY_MS : RETRY_AFTER_MS);
    this.#readSoon();
  }

  async #readPages(first: PhotoPage | null): Promise<boolean> {
    let read = first?.photos ?? [];
    let cursor = first?.nextCursor ?? null;
    // The version of the first page: what changed since is on a later page, or is told by a message.
    let version = first?.version ?? null;
    do {
      const page = await this.#ports.readPage(cursor);
      if (page === null || this.#isEnded) {
        return false;
      }
      version ??= page.version;
      read = [...read, ...page.photos];
      cursor = page.nextCursor;
      if (cursor === null || !this.isWhole) {
        this.#showList(read, version, cursor === null);
      }
    } while (cursor !== null);
    return true;
  }

  #showList(listed: readonly WallPhoto[], version: number, isWhole: boolean): void {
    const ids = new Set(listed.map((photo) => photo.id));
    // Only a whole list that is newer than the last word of a photo proves that it is gone.
    const told = (photo: WallPhoto): number => this.#toldAt.get(photo.id) ?? 0;
    const kept = this.photos.filter((photo) => ids.has(photo.id) || !isWhole || told(photo) > version);
    const current = listed.filter((photo) => photo.version > (this.#gone.get(photo.id) ?? -1));
    this.photos = mergePhotos(current, kept, this.#kind);
    this.#remember(current, version);
    if (isWhole) {
      this.#listVersion = version;
      this.#coverage = covering(this.#coverage, 0, version);
    }
    this.#onChange(new Set());
  }
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
