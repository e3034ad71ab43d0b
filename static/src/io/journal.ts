import { type DBSchema, deleteDB, type IDBPDatabase, type IDBPTransaction, openDB } from "idb";
import { SECOND_MS } from "../kernel/units.ts";
import { within } from "../kernel/within.ts";
import {
  type FileKey,
  type FileRecord,
  type GalleryRecord,
  isFileRecord,
  isGalleryRecord,
  isRootRecord,
  mayGoOn,
  type RootRecord,
} from "./journal-records.ts";

/** What earlier visits left. */
export type Journaled = {
  readonly galleries: readonly GalleryRecord[];
  /** In the order in which they were chosen. */
  readonly files: readonly FileRecord[];
  readonly roots: readonly RootRecord[];
  readonly kept: { has(key: FileKey): boolean };
};

/**
 * How keeping one file ended. `full`: this browser has no room for it; `unreadable`: the disk does not give its bytes;
 * `unknown`: no record of an open file bears its key; `failed`: the journal is closed or broken.
 */
export type KeepResult = "kept" | "full" | "unreadable" | "unknown" | "failed";

export type Keepable = { readonly key: FileKey; readonly file: Blob };
/** An editor's notes about the file of this key. */
export type KeepableSidecar = Keepable & { readonly name: string };

export type JournalOptions = {
  /** Another tab wiped it, or the browser took it away: whatever is asked from now on fails. */
  readonly onClosed: () => void;
  readonly withinMs?: number;
};

type StoreKey = [galleryId: string, clientId: string];

interface Schema extends DBSchema {
  files: { key: StoreKey; value: FileRecord };
  bytes: { key: StoreKey; value: Blob };
  roots: { key: string; value: RootRecord };
  galleries: { key: string; value: GalleryRecord };
}

type Change = IDBPTransaction<Schema, typeof STORES, "readwrite">;

const VERSION = 1;
const STORES: ("files" | "bytes" | "roots" | "galleries")[] = ["files", "bytes", "roots", "galleries"];
/** Opening and deleting wait for other tabs to let go, and one that hangs never does. */
const OPEN_WITHIN_MS = 5 * SECOND_MS;
const DELETE_WITHIN_MS = 2 * SECOND_MS;

/** Null where this browser keeps nothing: no IndexedDB, refused in a private window, a full or broken disk. */
export async function openJournal(accountId: string, options: JournalOptions): Promise<Journal | null> {
  const name = nameOf(accountId);
  try {
    const opened = await openWithin(name, options);
    if (opened === null || hasEveryStore(opened)) return opened === null ? null : new Journal(name, opened);
    opened.close();
  } catch (error: unknown) {
    if (nameOfError(error) !== "VersionError") return null;
  }
  return await openAnew(name, options);
}

/** Written by a version nobody knows here: what it holds cannot be read, so that nothing of it is lost. */
async function openAnew(name: string, options: JournalOptions): Promise<Journal | null> {
  try {
    const isGone = await deleteWithin(name, options.withinMs);
    const opened = isGone ? await openWithin(name, options) : null;
    return opened === null ? null : new Journal(name, opened);
  } catch {
    return null;
  }
}

/** No name and no byte of this account stays. Safe to call twice; false where another tab still holds the database. */
export async function wipeJournal(accountId: string): Promise<boolean> {
  const journal = await openJournal(accountId, { onClosed: () => {} });
  return journal === null ? await deleteWithin(nameOf(accountId)) : await journal.wipe();
}

/** The memory of one account in this browser. Nothing here throws; changes take effect in the order of the calls. */
export class Journal {
  readonly #name: string;
  readonly #db: IDBPDatabase<Schema>;
  /** Written in this visit: the records of their files may be yet to come. */
  readonly #newRootIds = new Set<string>();

  constructor(name: string, db: IDBPDatabase<Schema>) {
    this.#name = name;
    this.#db = db;
  }

  /** One transaction: all of them are written, or false. */
  async remember(files: readonly FileRecord[]): Promise<boolean> {
    return await this.#did(files, (change, record) => change.objectStore("files").put(record));
  }

  /** The records and the bytes. */
  async forget(keys: readonly FileKey[]): Promise<boolean> {
    return await this.#did(keys, async (change, key) => {
      await change.objectStore("files").delete(storeKeyOf(key));
      await change.objectStore("bytes").delete(storeKeyOf(key));
      await change.objectStore("bytes").delete(sidecarKeysOf(key));
    });
  }

  async rememberRoots(roots: readonly RootRecord[]): Promise<boolean> {
    for (const { id } of roots) this.#newRootIds.add(id);
    return await this.#did(roots, (change, root) => change.objectStore("roots").put(root));
  }

  async rememberGallery(gallery: GalleryRecord): Promise<boolean> {
    return await this.#did([gallery], (change) => change.objectStore("galleries").put(gallery));
  }

  async forgetGallery(id: string): Promise<boolean> {
    return await this.#did([id], (change) => change.objectStore("galleries").delete(id));
  }

  /** Null where it cannot be read. What nobody will ask for again is deleted on the way. */
  async readAll(): Promise<Journaled | null> {
    const read: Journaled[] = [];
    const failure = await this.#change(async (change) => {
      read.push(await readAndTidy(change, this.#newRootIds));
    });
    return failure === null ? (read[0] ?? null) : null;
  }

  async roots(): Promise<readonly RootRecord[]> {
    try {
      return (await this.#db.getAll("roots")).filter(isRootRecord);
    } catch {
      return [];
    }
  }

  /**
   * Copies the bytes of files that are remembered and not over; one answer for each, in their order. They are in one
   * transaction unless one of them cannot be kept: then the others are kept one by one.
   */
  async keepBytes(files: readonly Keepable[]): Promise<readonly KeepResult[]> {
    let results: readonly KeepResult[] = [];
    const failure = await this.#change(async (change) => {
      results = await Promise.all(files.map((one) => copyOne(change, one)));
    });
    if (failure === null) return results;
    return files.length === 1 ? [resultOf(failure)] : await this.#keepOneByOne(files);
  }

  async dropBytes(keys: readonly FileKey[]): Promise<boolean> {
    return await this.#did(keys, (change, key) => change.objectStore("bytes").delete(storeKeyOf(key)));
  }

  /** They lie among the bytes of files, as long as the record of their file says that they are to be sent. */
  async keepSidecars(sidecars: readonly KeepableSidecar[]): Promise<boolean> {
    return await this.#did(sidecars, (change, { key, name, file }) =>
      change.objectStore("bytes").put(file, sidecarKeyOf(key, name)),
    );
  }

  async dropSidecars(sidecars: readonly Omit<KeepableSidecar, "file">[]): Promise<boolean> {
    return await this.#did(sidecars, (change, { key, name }) =>
      change.objectStore("bytes").delete(sidecarKeyOf(key, name)),
    );
  }

  async sidecarOf(key: FileKey, name: string): Promise<Blob | null> {
    try {
      const copy: unknown = await this.#db.get("bytes", sidecarKeyOf(key, name));
      return copy instanceof Blob ? copy : null;
    } catch {
      return null;
    }
  }

  async bytesOf(key: FileKey): Promise<Blob | null> {
    try {
      const [record, copy]: readonly unknown[] = await Promise.all([
        this.#db.get("files", storeKeyOf(key)),
        this.#db.get("bytes", storeKeyOf(key)),
      ]);
      const isWhole = isFileRecord(record) && copy instanceof Blob && copy.size === record.sizeBytes;
      return isWhole ? copy : null;
    } catch {
      return null;
    }
  }

  close(): void {
    this.#db.close();
  }

  /** See `wipeJournal`. Everything is deleted before the database is, which another tab may hold up. */
  async wipe(withinMs = DELETE_WITHIN_MS): Promise<boolean> {
    const isEmpty = await this.#did(STORES, (change, store) => change.objectStore(store).clear());
    this.#db.close();
    return (await deleteWithin(this.#name, withinMs)) || isEmpty;
  }

  async #keepOneByOne(files: readonly Keepable[]): Promise<readonly KeepResult[]> {
    const results: KeepResult[] = [];
    let refusedBytes = Number.POSITIVE_INFINITY;
    for (const one of files) {
      const [result = "failed"] =
        one.file.size < refusedBytes ? await this.keepBytes([one]) : ["full" as const];
      if (result === "full") refusedBytes = Math.min(refusedBytes, one.file.size);
      results.push(result);
    }
    return results;
  }

  async #did<Item>(
    items: readonly Item[],
    apply: (change: Change, item: Item) => Promise<unknown>,
  ): Promise<boolean> {
    const failure = await this.#change((change) =>
      // Each in a function of its own: what one of them throws leaves none of the others unheard.
      Promise.all(items.map(async (item) => await apply(change, item))),
    );
    return failure === null;
  }

  /**
   * Why the change was not made, or null. All changes cover all stores, and so wait for each other. Relaxed: the system
   * has the data, which outlives the browser but not the power; the server knows the rest.
   */
  async #change(work: (change: Change) => Promise<unknown>): Promise<unknown> {
    let change: Change | null = null;
    try {
      change = this.#db.transaction(STORES, "readwrite", { durability: "relaxed" });
      await Promise.all([work(change), change.done]);
      return null;
    } catch (error: unknown) {
      if (change !== null) abort(change);
      return error;
    }
  }
}

async function copyOne(change: Change, { key, file }: Keepable): Promise<KeepResult> {
  const record: unknown = await change.objectStore("files").get(storeKeyOf(key));
  if (!isFileRecord(record) || !mayGoOn(record)) return "unknown";
  // A file that was gone when first asked for its size says 0, and is copied as such (2026, Chromium 156).
  if (file.size !== record.sizeBytes) return "unreadable";
  await change.objectStore("bytes").put(file, storeKeyOf(key));
  return "kept";
}

async function readAndTidy(change: Change, newRootIds: ReadonlySet<string>): Promise<Journaled> {
  const [records, recordKeys, byteKeys, rootRecords, galleries] = await Promise.all([
    change.objectStore("files").getAll(),
    change.objectStore("files").getAllKeys(),
    change.objectStore("bytes").getAllKeys(),
    change.objectStore("roots").getAll(),
    change.objectStore("galleries").getAll(),
  ]);
  const files = records.filter(isFileRecord).sort((one, other) => one.order - other.order);
  const open = files.filter(mayGoOn);
  const openKeys = new Set([...open.map(storeKeyOf), ...files.flatMap(neededSidecarKeys)].map(textOf));
  const rootIds = new Set<string | null>([...newRootIds, ...open.map(({ rootId }) => rootId)]);
  const keptKeys = byteKeys.filter((key) => openKeys.has(textOf(key)));
  const kept = new Set(keptKeys.map(textOf));
  const roots = rootRecords.filter(isRootRecord);
  await Promise.all([
    ...recordKeys
      .filter((_, index) => !isFileRecord(records[index]))
      .map((key) => change.objectStore("files").delete(key)),
    ...byteKeys
      .filter((key) => !openKeys.has(textOf(key)))
      .map((key) => change.objectStore("bytes").delete(key)),
    ...roots.filter(({ id }) => !rootIds.has(id)).map(({ id }) => change.objectStore("roots").delete(id)),
  ]);
  return {
    galleries: galleries.filter(isGalleryRecord),
    files,
    roots: roots.filter(({ id }) => rootIds.has(id)),
    kept: { has: (key) => kept.has(textOf(storeKeyOf(key))) },
  };
}

/** Null where it takes longer; what opens after that is closed again. */
async function openWithin(
  name: string,
  { onClosed, withinMs = OPEN_WITHIN_MS }: JournalOptions,
): Promise<IDBPDatabase<Schema> | null> {
  const opening = openDB<Schema>(name, VERSION, {
    upgrade: (db) => {
      db.createObjectStore("files", { keyPath: ["galleryId", "clientId"] });
      db.createObjectStore("bytes");
      db.createObjectStore("roots", { keyPath: "id" });
      db.createObjectStore("galleries", { keyPath: "id" });
    },
    // Somebody else wants to delete it: whoever signs out must not wait for us.
    blocking: (_version, _blockedVersion, event) => {
      (event.target as IDBDatabase).close();
      onClosed();
    },
    terminated: onClosed,
  });
  const opened = await within(withinMs, opening);
  if (opened === null) void opening.then((late) => late.close()).catch(() => {});
  return opened;
}

/** True once it is gone. */
async function deleteWithin(name: string, withinMs = DELETE_WITHIN_MS): Promise<boolean> {
  try {
    const deleting = deleteDB(name).then(() => true);
    return (await within(withinMs, deleting)) ?? false;
  } catch {
    return false;
  }
}

function hasEveryStore(db: IDBPDatabase<Schema>): boolean {
  return STORES.every((store) => db.objectStoreNames.contains(store));
}

function abort(change: Change): void {
  try {
    change.abort();
  } catch {
    // It has ended by itself.
  }
}

function nameOf(accountId: string): string {
  return `safelight-uploads-${accountId}`;
}

function storeKeyOf({ galleryId, clientId }: FileKey): StoreKey {
  return [galleryId, clientId];
}

function sidecarKeyOf({ galleryId, clientId }: FileKey, name: string): StoreKey {
  return [galleryId, `${clientId}/${name}`];
}

/** Whatever begins with the file's own id and a stroke; 0 is the character after that. */
function sidecarKeysOf({ galleryId, clientId }: FileKey): IDBKeyRange {
  return IDBKeyRange.bound([galleryId, `${clientId}/`], [galleryId, `${clientId}0`], false, true);
}

/** A file that turns out to be a copy of a photo sends them again, to that. */
function neededSidecarKeys(record: FileRecord): StoreKey[] {
  const needed = (record.sidecars ?? []).filter(({ end }) => end === null || mayGoOn(record));
  return needed.map(({ name }) => sidecarKeyOf(record, name));
}

function textOf(key: StoreKey): string {
  return key.join("/");
}

function nameOfError(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

/** Chromium calls a file that changed or vanished since it was chosen a DataError. */
const UNREADABLE_ERRORS: ReadonlySet<string> = new Set(["DataError", "NotReadableError", "NotFoundError"]);

function resultOf(failure: unknown): KeepResult {
  const name = nameOfError(failure);
  if (name === "QuotaExceededError") return "full";
  return UNREADABLE_ERRORS.has(name) ? "unreadable" : "failed";
}
