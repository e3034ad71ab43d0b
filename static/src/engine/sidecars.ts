import { crc32, crc32Hex } from "../domain/crc32.ts";
import { type Failure, failureHere } from "../domain/failure.ts";
import { MAX_SIDECAR_BYTES, MAX_SIDECARS } from "../domain/limits.ts";
import { backoffMs, STORE_BACKOFF } from "../domain/retry.ts";
import { ShotIndex } from "../domain/shots.ts";
import type { UploadRow, UploadRowState } from "../domain/wire.ts";
import { readBytes } from "../io/file-bytes.ts";
import type { SidecarEnd, SidecarRecord } from "../io/journal-records.ts";
import type { UploadApi } from "../io/upload-api.ts";
import type { Clock } from "../kernel/clock.ts";
import { groupedBy } from "../kernel/grouped.ts";
import type { Catalogue, FileEntry, GalleryEntry } from "./catalogue.ts";
import type { Connection } from "./connection.ts";
import type { Memory } from "./memory.ts";
import { readPages } from "./pages.ts";
import type { ChosenFile, EngineRequest, SidecarsReport } from "./port.ts";
import { type AboutPhoto, fateOf, mayHavePhoto } from "./sidecars-told.ts";

export type SidecarPorts = {
  readonly api: Pick<UploadApi, "attach" | "listUploads">;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly connection: Pick<Connection, "call">;
  readonly memory: Pick<Memory, "choseSidecar" | "dropSidecar" | "findSidecar" | "follow">;
  readonly random: () => number;
  readonly report: (report: SidecarsReport) => void;
  readonly onChanged: () => void;
};

type Choice = Omit<Extract<EngineRequest, { type: "sidecars" }>, "type">;

/** What is told of one gallery beyond its files. */
type Desk = {
  choiceId: string;
  /** Whose photo is not in the catalogue: the server is asked. */
  unplaced: ChosenFile[];
  isAsking: boolean;
  /** Notes that belong to no photo, or to one of several. */
  strays: Stray[];
  /** About photos that only the server knows. */
  loose: Loose[];
};
type Stray = { readonly name: string; readonly code: string };
type Loose = { readonly uploadId: string; sidecar: SidecarRecord };

/** One text on its way to one upload. */
type Delivery = {
  readonly galleryId: string;
  readonly uploadId: string;
  readonly sidecar: SidecarRecord;
  /** Null for a photo that only the server knows. */
  readonly entry: FileEntry | null;
  readonly attempt: number;
};

const TELL_AFTER_MS = 250;
/** Beyond these tries a person is told; each is itself half a dozen. */
const MAX_ATTEMPTS = 5;
const RECEIVING: ReadonlySet<UploadRowState> = new Set([
  "registered",
  "signed",
  "uploading",
  "uploaded",
  "verifying",
]);
/** They speak of the photo, which may come all the same; once it is there, they are final. */
const ABOUT_THE_PHOTO: ReadonlySet<string> = new Set(["wrong_state", "not_found", "gallery_deleted"]);

/**
 * An editor's notes (XMP) on their way to the photos of their shot: one text after another, each as soon as the server
 * has a row of its photo. Nothing that happens to them changes anything about the photo.
 */
export class Sidecars {
  readonly #ports: SidecarPorts;
  readonly #desks = new Map<string, Desk>();
  readonly #indexes = new WeakMap<GalleryEntry, { fileCount: number; index: ShotIndex<FileEntry> }>();
  /** Where they can be read; what an earlier visit left is in the journal. */
  readonly #files = new WeakMap<SidecarRecord, Blob>();
  /** Kept in this visit, and not known yet to be beside the right photo. */
  readonly #unsettled = new WeakSet<SidecarRecord>();
  readonly #queued = new Set<SidecarRecord>();
  /** Refused for the state their photo was in: they wait for another. */
  readonly #heldIn = new WeakMap<SidecarRecord, string>();
  readonly #untold = new Set<string>();
  /** Files with notes that were told as not added. */
  readonly #photoless = new WeakSet<FileEntry>();
  #queue: Delivery[] = [];
  #isSending = false;

  constructor(ports: SidecarPorts) {
    this.#ports = ports;
  }

  /** Whatever was chosen with them has been added before. */
  add({ galleryId, choiceId, files }: Choice): void {
    const desk = this.#deskOf(galleryId, choiceId);
    for (const chosen of files) this.#place(galleryId, desk, chosen);
    if (desk.unplaced.length > 0) void this.#askServer(galleryId, desk);
    this.#changed(galleryId);
  }

  /** A file has come to another state: its notes may go now. */
  follow(entry: FileEntry): void {
    if (entry.sidecars.length === 0) return;
    const { state } = entry.runner;
    this.#tellOfPhoto(entry);
    if (state.name === "removed") this.#drop(entry);
    if (state.name === "done") this.#settleAll(entry, state.isDuplicate);
    const { uploadId } = state.way;
    if (uploadId === null || !mayReceive(entry)) return;
    for (const sidecar of entry.sidecars) {
      if (sidecar.end !== null || this.#heldIn.get(sidecar) === state.name) continue;
      this.#enqueue({ galleryId: entry.gallery.id, uploadId, sidecar, entry, attempt: 0 });
    }
  }

  /** What there is to tell of a gallery. */
  reportOf(galleryId: string): SidecarsReport {
    const desk = this.#desks.get(galleryId);
    const loose = (desk?.loose ?? []).map(({ sidecar }): AboutPhoto => ({ sidecar, entry: null }));
    const all = [...this.#ofFiles(galleryId), ...loose];
    const problems = [...(desk?.strays ?? [])];
    let [keptCount, waitingCount] = [0, 0];
    for (const same of groupedBy(all, ({ sidecar }) => sidecar.relativePath).values()) {
      const { state, reason } = fateOf(same);
      if (state === "waiting") waitingCount += 1;
      else if (state === "kept") keptCount += 1;
      else
        problems.push(...same.slice(0, 1).map(({ sidecar }) => ({ name: sidecar.name, code: reason ?? "" })));
    }
    const byCode = groupedBy(problems, ({ code }) => code);
    return {
      type: "sidecars",
      galleryId,
      keptCount,
      waitingCount,
      problems: Array.from(byCode, ([code, same]) => ({ code, names: same.map(({ name }) => name) })),
    };
  }

  /** In a moment, with what else comes until then. */
  tell(galleryId: string): void {
    if (this.#untold.has(galleryId)) return;
    this.#untold.add(galleryId);
    this.#ports.clock.after(TELL_AFTER_MS, () => {
      this.#untold.delete(galleryId);
      this.#ports.report(this.reportOf(galleryId));
    });
  }

  /** Nothing of this gallery is told or sent any more. */
  forget(galleryId: string): void {
    this.#desks.delete(galleryId);
    this.#queue = this.#queue.filter((delivery) => delivery.galleryId !== galleryId);
  }

  stop(): void {
    this.#queue = [];
    this.#desks.clear();
  }

  // Which photo they are about.

  #deskOf(galleryId: string, choiceId: string): Desk {
    const known = this.#desks.get(galleryId);
    const desk = known ?? { choiceId, unplaced: [], isAsking: false, strays: [], loose: [] };
    this.#desks.set(galleryId, desk);
    if (desk.choiceId !== choiceId) {
      // What was said of an earlier choice is not said any more; what is on its way goes on.
      desk.choiceId = choiceId;
      desk.strays = [];
      desk.loose = desk.loose.filter(({ sidecar }) => sidecar.end === null);
    }
    return desk;
  }

  #place(galleryId: string, desk: Desk, chosen: ChosenFile): void {
    const gallery = this.#ports.catalogue.galleries.get(galleryId);
    const found = gallery === undefined ? [] : this.#indexOf(gallery).about(chosen.relativePath);
    const present = found.filter(({ runner }) => runner.state.name !== "removed");
    const chosenWithThem = present.filter((entry) => entry.choiceId === desk.choiceId);
    const entries = chosenWithThem.length > 0 ? chosenWithThem : present;
    if (entries.length === 0) desk.unplaced.push(chosen);
    else if (areNamesakes(entries, ({ relativePath }) => relativePath)) stray(desk, chosen, "several_photos");
    else for (const entry of entries) this.#attach(entry, chosen);
  }

  #indexOf(gallery: GalleryEntry): ShotIndex<FileEntry> {
    const fileCount = gallery.files.length;
    const known = this.#indexes.get(gallery);
    if (known?.fileCount === fileCount) return known.index;
    const index = new ShotIndex(gallery.files, ({ relativePath }) => relativePath);
    this.#indexes.set(gallery, { fileCount, index });
    return index;
  }

  #attach(entry: FileEntry, chosen: ChosenFile): void {
    const known = entry.sidecars.find(({ name }) => name === chosen.file.name);
    if (known !== undefined && isSameText(known, chosen.file)) return;
    const others = entry.sidecars.filter((each) => each !== known);
    const sidecar = recordOf(chosen, others.length);
    entry.sidecars = [...others, sidecar];
    this.#files.set(sidecar, chosen.file);
    if (sidecar.end === null) this.#ports.memory.choseSidecar(entry, sidecar, chosen.file);
    else this.#ports.memory.follow(entry);
    this.follow(entry);
  }

  /** Their photos may have been there before this browser knew of any. */
  async #askServer(galleryId: string, desk: Desk): Promise<void> {
    if (desk.isAsking) return;
    desk.isAsking = true;
    while (desk.unplaced.length > 0) {
      const chosen = desk.unplaced;
      desk.unplaced = [];
      const rows: UploadRow[] = [];
      const failure = await this.#readRows(galleryId, rows);
      if (this.#desks.get(galleryId) !== desk) return;
      const index = new ShotIndex(rows, nameOf);
      for (const each of chosen) {
        if (failure === null) this.#placeAtServer(galleryId, desk, each, index.about(each.file.name));
        else stray(desk, each, failure.code);
      }
      this.#changed(galleryId);
    }
    desk.isAsking = false;
  }

  async #readRows(galleryId: string, rows: UploadRow[]): Promise<Failure | null> {
    const { api, connection } = this.#ports;
    return await readPages(
      (cursor) => connection.call(() => api.listUploads(galleryId, cursor)),
      (page) => rows.push(...page.uploads.filter(hasPhoto)),
    );
  }

  /** The server's list tells names without folders. */
  #placeAtServer(galleryId: string, desk: Desk, chosen: ChosenFile, rows: readonly UploadRow[]): void {
    if (rows.length === 0) stray(desk, chosen, "no_photo");
    else if (areNamesakes(rows, nameOf)) stray(desk, chosen, "several_photos");
    else for (const row of rows) this.#attachToRow(galleryId, desk, chosen, row);
  }

  #attachToRow(galleryId: string, desk: Desk, chosen: ChosenFile, { id }: UploadRow): void {
    if (id === null) return;
    const entry = this.#ports.catalogue.findByUploadId(id);
    if (entry !== null) {
      this.#attach(entry, chosen);
      return;
    }
    const sidecar = recordOf(chosen, 0);
    desk.loose.push({ uploadId: id, sidecar });
    this.#files.set(sidecar, chosen.file);
    if (sidecar.end === null) this.#enqueue({ galleryId, uploadId: id, sidecar, entry: null, attempt: 0 });
  }

  // On their way.

  #enqueue(delivery: Delivery): void {
    if (this.#queued.has(delivery.sidecar)) return;
    this.#queued.add(delivery.sidecar);
    this.#queue.push(delivery);
    void this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      await this.#send(next);
    }
    this.#isSending = false;
  }

  async #send(delivery: Delivery): Promise<void> {
    const { sidecar, uploadId } = delivery;
    this.#queued.delete(sidecar);
    if (!isWanted(delivery)) return;
    this.#queued.add(sidecar);
    const read = await this.#read(delivery);
    if (typeof read === "string") {
      this.#end(delivery, { kind: "refused", code: read });
      return;
    }
    const { connection, api } = this.#ports;
    const answer = await connection.call(() => api.attach(uploadId, sidecar.name, read.text));
    if (!answer.ok) this.#takeRefusal(delivery, answer.failure);
    else if (answer.value.crc32 !== read.crc32) this.#takeRefusal(delivery, failureHere("malformed_answer"));
    else this.#end(delivery, { kind: "kept", crc32: read.crc32, uploadId: answer.value.uploadId });
  }

  /** A code where there is nothing to send. */
  async #read({ entry, sidecar }: Delivery): Promise<{ text: string; crc32: string } | string> {
    const chosen = this.#files.get(sidecar);
    const bytes =
      (chosen === undefined ? null : await readBytes(chosen, 0, sidecar.sizeBytes)) ??
      (await this.#readKept(entry, sidecar));
    if (bytes === null) return "file_unreadable";
    const text = textOf(bytes);
    return text === null ? "not_xmp" : { text, crc32: crc32Hex(crc32(new Uint8Array(bytes))) };
  }

  async #readKept(entry: FileEntry | null, sidecar: SidecarRecord): Promise<ArrayBuffer | null> {
    const kept = entry === null ? null : await this.#ports.memory.findSidecar(entry, sidecar);
    return kept === null ? null : await readBytes(kept, 0, sidecar.sizeBytes);
  }

  #takeRefusal(delivery: Delivery, failure: Failure): void {
    const { entry, sidecar, attempt } = delivery;
    const isToCome = entry !== null && entry.runner.state.name !== "done";
    if (isToCome && ABOUT_THE_PHOTO.has(failure.code)) {
      this.#heldIn.set(sidecar, entry.runner.state.name);
      this.#queued.delete(sidecar);
    } else if (failure.retryable && attempt < MAX_ATTEMPTS) {
      this.#sendLater({ ...delivery, attempt: attempt + 1 });
    } else {
      this.#end(delivery, {
        kind: "refused",
        code: failure.code === "bad_request" ? "not_xmp" : failure.code,
      });
    }
  }

  #sendLater(delivery: Delivery): void {
    const { clock, random } = this.#ports;
    clock.after(backoffMs(STORE_BACKOFF, delivery.attempt, random()), () => {
      this.#queued.delete(delivery.sidecar);
      this.#enqueue(delivery);
    });
  }

  #end({ galleryId, entry, sidecar }: Delivery, end: SidecarEnd): void {
    this.#queued.delete(sidecar);
    const ended = { ...sidecar, end };
    if (end.kind === "kept") this.#unsettled.add(ended);
    if (entry === null) this.#endLoose(galleryId, sidecar, ended);
    else this.#exchange(entry, sidecar, ended);
    this.#changed(galleryId);
  }

  /** Chosen again meanwhile, another stands in its place and stays. */
  #exchange(entry: FileEntry, before: SidecarRecord, after: SidecarRecord): void {
    const file = this.#files.get(before);
    if (file !== undefined) this.#files.set(after, file);
    entry.sidecars = entry.sidecars.map((each) => (each === before ? after : each));
    this.#ports.memory.follow(entry);
    this.follow(entry);
  }

  /** What went beside a file that is a copy of another photo goes to that photo. */
  #settleAll(entry: FileEntry, isDuplicate: boolean): void {
    for (const sidecar of entry.sidecars) {
      const { end } = sidecar;
      if (end?.kind !== "kept") continue;
      const isAstray = isDuplicate && end.uploadId === entry.runner.state.way.uploadId;
      if (isAstray) this.#exchange(entry, sidecar, { ...sidecar, end: null });
      else if (this.#unsettled.delete(sidecar)) this.#ports.memory.dropSidecar(entry, sidecar);
    }
  }

  #endLoose(galleryId: string, sidecar: SidecarRecord, ended: SidecarRecord): void {
    const loose = this.#desks.get(galleryId)?.loose.find((each) => each.sidecar === sidecar);
    if (loose !== undefined) loose.sidecar = ended;
  }

  #drop(entry: FileEntry): void {
    const dropped = entry.sidecars;
    entry.sidecars = [];
    for (const sidecar of dropped) this.#ports.memory.dropSidecar(entry, sidecar);
    this.#ports.memory.follow(entry);
    this.#changed(entry.gallery.id);
  }

  #changed(galleryId: string): void {
    this.#ports.onChanged();
    this.tell(galleryId);
  }

  /** Kept beside a photo that comes to nothing, notes are not kept; where it is taken up again they are. */
  #tellOfPhoto(entry: FileEntry): void {
    const isPhotoless = !mayHavePhoto(entry);
    if (isPhotoless === this.#photoless.has(entry)) return;
    if (isPhotoless) this.#photoless.add(entry);
    else this.#photoless.delete(entry);
    this.tell(entry.gallery.id);
  }

  #ofFiles(galleryId: string): readonly AboutPhoto[] {
    const files = this.#ports.catalogue.galleries.get(galleryId)?.files ?? [];
    const present = files.filter(({ runner }) => runner.state.name !== "removed");
    return present.flatMap((entry) => entry.sidecars.map((sidecar) => ({ sidecar, entry })));
  }
}

function stray(desk: Desk, { file }: ChosenFile, code: string): void {
  desk.strays.push({ name: file.name, code });
}

function recordOf({ file, relativePath }: ChosenFile, otherCount: number): SidecarRecord {
  const { name, size, lastModified } = file;
  const end = refusalHere(size, otherCount);
  return { name, relativePath, sizeBytes: size, lastModifiedMs: lastModified, end };
}

/** What the server would say, known before anything is read. */
function refusalHere(sizeBytes: number, otherCount: number): SidecarEnd | null {
  if (sizeBytes > MAX_SIDECAR_BYTES) return { kind: "refused", code: "sidecar_too_large" };
  return otherCount < MAX_SIDECARS ? null : { kind: "refused", code: "too_many_sidecars" };
}

/** What was refused before is tried again: a person chose it again. */
function isSameText({ end, sizeBytes, lastModifiedMs }: SidecarRecord, file: File): boolean {
  return end?.kind !== "refused" && sizeBytes === file.size && lastModifiedMs === file.lastModified;
}

/** Several photos of one name: which of them is meant, only their own choice would tell. */
function areNamesakes<Photo>(photos: readonly Photo[], pathOf: (photo: Photo) => string): boolean {
  return groupedBy(photos, (photo) => pathOf(photo).toLowerCase()).size < photos.length;
}

function isWanted({ entry, sidecar }: Delivery): boolean {
  return entry === null || (entry.sidecars.includes(sidecar) && mayReceive(entry));
}

function mayReceive(entry: FileEntry): boolean {
  return !entry.isPaused && mayHavePhoto(entry);
}

function nameOf({ name }: UploadRow): string {
  return name ?? "";
}

function hasPhoto({ photoId, state }: UploadRow): boolean {
  return state === "verified" ? photoId !== null : state !== null && RECEIVING.has(state);
}

/** Null for what is no UTF-8. The mark at its beginning is part of the file. */
function textOf(bytes: ArrayBuffer): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
