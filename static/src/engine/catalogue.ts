import { isGone } from "../domain/failure.ts";
import {
  type FileCommand,
  type FileEvent,
  type FileState,
  fileMachine,
  isEnded,
} from "../domain/file-machine.ts";
import {
  type GalleryEvent,
  type GalleryState,
  galleryMachine,
  newGallery,
} from "../domain/gallery-machine.ts";
import { type Profile, WIDEST_PROFILE } from "../domain/profile.ts";
import { groupShots, type ShotPart, shotPartOf } from "../domain/shots.ts";
import type { MediaType } from "../domain/sniff.ts";
import { type Speed, standingStill } from "../domain/speed.ts";
import type { StateWord } from "../domain/tally.ts";
import type { SidecarRecord } from "../io/journal-records.ts";
import { Runner } from "../kernel/machine.ts";

/** A file of this session, as long as the session lasts. */
export type FileEntry = {
  readonly clientId: string;
  readonly gallery: GalleryEntry;
  readonly name: string;
  readonly relativePath: string;
  readonly shot: ShotPart;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
  /** Its place among all files that were ever chosen here. */
  readonly order: number;
  /** Where its bytes were last read; null until they are looked for, and where they cannot be found. */
  file: Blob | null;
  /** The dropped folder it lies in, where that is remembered. */
  rootId: string | null;
  /** Its folder is remembered, and only a person can allow that it is read again. */
  needsPermission: boolean;
  type: MediaType | null;
  /** An editor's notes about it (XMP). */
  sidecars: readonly SidecarRecord[];
  /** The choice in which a person chose it last; null where that was in an earlier visit, or another tab. */
  choiceId: string | null;
  /** CRC-32 of each part that was read here. */
  readonly partCrcs: Map<number, number>;
  readonly runner: Runner<FileState, FileEvent, FileCommand>;
  /** A person wants nothing sent of it for now, whatever state it is in. */
  isPaused: boolean;
  /** The state it is counted under. */
  countedAs: StateWord;
};

export type GalleryEntry = {
  readonly id: string;
  title: string;
  /** The product's until the gallery's own is heard. */
  profile: Profile;
  readonly files: FileEntry[];
  readonly byClientId: Map<string, FileEntry>;
  readonly counts: Map<StateWord, number>;
  readonly runner: Runner<GalleryState, GalleryEvent, never>;
  isPaused: boolean;
  /** Paths of its files; which of them were chosen again with other bytes. */
  readonly paths: Set<string>;
  readonly changedNames: string[];
  /** System time at which the last of its files ended; null while any is on its way. */
  endedAtMs: number | null;
  /** Bytes that a store has acknowledged in this session, and of single requests those on their way. */
  movedBytes: number;
  /** Of parts on their way, which count as sent when they are stored. */
  underwayBytes: number;
  speed: Speed;
};

/** What is known of a file when it enters the catalogue. */
export type FileFacts = Pick<
  FileEntry,
  "clientId" | "name" | "relativePath" | "sizeBytes" | "lastModifiedMs" | "order" | "file" | "rootId" | "type"
> &
  Partial<Pick<FileEntry, "sidecars">>;

export type Perform = (entry: FileEntry, command: FileCommand) => void;

/** Every gallery and file of this session, and the count of files in each state. */
export class Catalogue {
  readonly galleries = new Map<string, GalleryEntry>();
  readonly #byUploadId = new Map<string, FileEntry>();
  readonly #perform: Perform;

  constructor(perform: Perform) {
    this.#perform = perform;
  }

  gallery(id: string, title: string, nowMs: number): GalleryEntry {
    const found = this.galleries.get(id);
    if (found !== undefined) return found;
    const entry: GalleryEntry = {
      id,
      title,
      profile: WIDEST_PROFILE,
      files: [],
      byClientId: new Map(),
      counts: new Map(),
      runner: new Runner(galleryMachine, newGallery, () => {}),
      isPaused: false,
      paths: new Set(),
      changedNames: [],
      endedAtMs: null,
      movedBytes: 0,
      underwayBytes: 0,
      speed: standingStill(nowMs),
    };
    this.galleries.set(id, entry);
    return entry;
  }

  add(gallery: GalleryEntry, facts: FileFacts, initial: FileState): FileEntry {
    const entry: FileEntry = {
      sidecars: [],
      choiceId: null,
      ...facts,
      gallery,
      shot: shotPartOf(facts.relativePath),
      needsPermission: false,
      partCrcs: new Map(),
      runner: new Runner(fileMachine, initial, (command) => this.#perform(entry, command)),
      isPaused: gallery.isPaused,
      countedAs: initial.name,
    };
    gallery.files.push(entry);
    gallery.byClientId.set(entry.clientId, entry);
    gallery.paths.add(entry.relativePath);
    count(gallery, initial.name, 1);
    const { uploadId } = initial.way;
    if (uploadId !== null) this.learnUploadId(entry, uploadId);
    return entry;
  }

  has(gallery: GalleryEntry): boolean {
    return this.galleries.get(gallery.id) === gallery;
  }

  /** Forgets a gallery and its files. */
  drop(gallery: GalleryEntry): void {
    this.galleries.delete(gallery.id);
    for (const entry of gallery.files) {
      const { uploadId } = entry.runner.state.way;
      if (uploadId !== null) this.#byUploadId.delete(uploadId);
    }
  }

  learnUploadId(entry: FileEntry, uploadId: string): void {
    this.#byUploadId.set(uploadId, entry);
  }

  findByUploadId(uploadId: string): FileEntry | null {
    return this.#byUploadId.get(uploadId) ?? null;
  }

  /** Counts the file under the state it is in now; false where it was counted there already. */
  recount(entry: FileEntry): boolean {
    const word = entry.runner.state.name;
    if (word === entry.countedAs) return false;
    count(entry.gallery, entry.countedAs, -1);
    count(entry.gallery, word, 1);
    entry.countedAs = word;
    return true;
  }

  /** Files by id, in every gallery where such a file was chosen; a shot is one row, so all of it is meant. */
  filesWith(fileIds: readonly string[], galleryId: string | undefined): FileEntry[] {
    return this.galleriesWith(galleryId).flatMap((gallery) => {
      const wanted = new Set(fileIds.flatMap((fileId) => gallery.byClientId.get(fileId) ?? []));
      return wanted.size === 0
        ? []
        : shotsOf(gallery.files)
            .filter((shot) => shot.some((entry) => wanted.has(entry)))
            .flat();
    });
  }

  galleriesWith(galleryId: string | undefined): GalleryEntry[] {
    if (galleryId === undefined) return [...this.galleries.values()];
    const found = this.galleries.get(galleryId);
    return found === undefined ? [] : [found];
  }
}

/** What is one row each: a file, or all files of one shot. */
export function shotsOf(files: readonly FileEntry[]): readonly (readonly FileEntry[])[] {
  return groupShots(files, (entry) => entry.shot);
}

function count(gallery: GalleryEntry, word: StateWord, change: number): void {
  gallery.counts.set(word, countOf(gallery, word) + change);
}

export function countOf(gallery: GalleryEntry, word: StateWord): number {
  return gallery.counts.get(word) ?? 0;
}

/** Files that have not ended. */
export function openCount(gallery: GalleryEntry): number {
  const ended = countOf(gallery, "done") + failedCount(gallery) + countOf(gallery, "removed");
  return gallery.files.length - ended;
}

export function failedCount(gallery: GalleryEntry): number {
  return countOf(gallery, "failed") + countOf(gallery, "invalid");
}

/** Something is still to be sent of it: a file, or notes about one that is there. */
export function isUnderway(gallery: GalleryEntry): boolean {
  return openCount(gallery) > 0 || gallery.files.some(awaitsSidecars);
}

function awaitsSidecars({ runner, sidecars }: FileEntry): boolean {
  return runner.state.name === "done" && sidecars.some(({ end }) => end === null);
}

/** Never sent, because the gallery itself is gone. */
export function isLeftByGallery({ runner }: FileEntry): boolean {
  return runner.state.name === "failed" && isGone(runner.state.failure.code);
}

export function isOpen(entry: FileEntry): boolean {
  return !isEnded(entry.runner.state);
}
