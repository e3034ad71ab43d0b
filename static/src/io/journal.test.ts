import "fake-indexeddb/auto";
import { forceCloseDatabase, IDBFactory } from "fake-indexeddb";
import { beforeEach, describe, expect, test } from "vitest";
import { type Journal, openJournal, wipeJournal } from "./journal.ts";
import type { FileKey, FileRecord, SidecarRecord } from "./journal-records.ts";

const ACCOUNT = "7";
const NAME = `safelight-uploads-${ACCOUNT}`;
const GALLERY_ID = "11111111-1111-4111-8111-111111111111";
const GALLERY = { id: GALLERY_ID, title: "By the sea", isPaused: false, endedAtMs: null };

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

describe("what was remembered", () => {
  test("is there in a later visit, in the order in which it was chosen", async () => {
    const journal = await opened();
    await journal.rememberGallery(GALLERY);
    await journal.remember([recordOf("b", { order: 2 }), recordOf("a", { order: 3, uploadId: "up-1" })]);
    await journal.remember([
      recordOf("c", { order: 1, end: { kind: "done", photoId: "p", isDuplicate: true } }),
    ]);
    journal.close();

    const all = await readAll(await opened());

    expect(all.galleries).toEqual([GALLERY]);
    expect(all.files.map(({ clientId }) => clientId)).toEqual(["c", "b", "a"]);
    expect(all.files[2]?.uploadId).toBe("up-1");
    expect(all.files[0]?.end).toEqual({ kind: "done", photoId: "p", isDuplicate: true });
  });

  test("is what was written last", async () => {
    const journal = await opened();
    await journal.remember([recordOf("a")]);
    await journal.remember([recordOf("a", { uploadId: "up-2" })]);

    expect((await readAll(journal)).files).toEqual([recordOf("a", { uploadId: "up-2" })]);
  });

  test("of five thousand files is read at once", async () => {
    const journal = await opened();
    await journal.remember(Array.from({ length: 5000 }, (_, order) => recordOf(`f${order}`, { order })));

    expect((await readAll(journal)).files).toHaveLength(5000);
  });

  test("belongs to one account", async () => {
    await (await opened()).remember([recordOf("a")]);

    const other = await openJournal("8", { onClosed: fail });

    expect((await other?.readAll())?.files).toEqual([]);
  });

  test("keeps a folder as long as an open file of it is remembered", async () => {
    const journal = await opened();
    await journal.rememberRoots([rootOf("wanted"), rootOf("over"), rootOf("nobody's")]);
    await journal.remember([
      recordOf("a", { rootId: "wanted" }),
      recordOf("b", { rootId: "over", end: { kind: "removed" } }),
    ]);
    journal.close();

    const later = await opened();
    await later.rememberRoots([rootOf("new")]);
    const all = await readAll(later);

    expect(all.roots.map(({ id }) => id)).toEqual(["new", "wanted"]);
    expect((await later.roots()).map(({ id }) => id)).toEqual(["new", "wanted"]);
  });

  test("is gone once it is forgotten, with its bytes", async () => {
    const journal = await opened();
    await journal.rememberGallery(GALLERY);
    await journal.remember([recordOf("a"), recordOf("b")]);
    await journal.keepBytes([keepable("a"), keepable("b")]);

    await journal.forget([keyOf("a")]);
    await journal.forgetGallery(GALLERY_ID);

    const all = await readAll(journal);
    expect(all.galleries).toEqual([]);
    expect(all.files.map(({ clientId }) => clientId)).toEqual(["b"]);
    expect(await journal.bytesOf(keyOf("a"))).toBeNull();
    expect(await journal.bytesOf(keyOf("b"))).not.toBeNull();
  });
});

describe("kept bytes", () => {
  test("are the file's, in a later visit too", async () => {
    const journal = await opened();
    await journal.remember([recordOf("a", { sizeBytes: 14 })]);
    expect(await journal.keepBytes([keepable("a", "the very bytes")])).toEqual(["kept"]);
    journal.close();

    const later = await opened();

    expect(await (await later.bytesOf(keyOf("a")))?.text()).toBe("the very bytes");
    expect((await readAll(later)).kept.has(keyOf("a"))).toBe(true);
    expect((await readAll(later)).kept.has(keyOf("b"))).toBe(false);
  });

  test("can be dropped while the record stays", async () => {
    const journal = await opened();
    await journal.remember([recordOf("a")]);
    await journal.keepBytes([keepable("a")]);

    await journal.dropBytes([keyOf("a")]);

    const all = await readAll(journal);
    expect(all.files).toHaveLength(1);
    expect(all.kept.has(keyOf("a"))).toBe(false);
    expect(await journal.bytesOf(keyOf("a"))).toBeNull();
  });

  test("are not kept of a file that is not remembered, or over", async () => {
    const journal = await opened();
    await journal.remember([
      recordOf("over", { end: { kind: "removed" } }),
      recordOf("open", { sizeBytes: 13 }),
    ]);

    const results = await journal.keepBytes([keepable("over"), keepable("open"), keepable("unheard of")]);

    expect(results).toEqual(["unknown", "kept", "unknown"]);
    expect(await journal.bytesOf(keyOf("over"))).toBeNull();
    expect(await journal.bytesOf(keyOf("unheard of"))).toBeNull();
  });

  test("are not kept of a file that was forgotten a moment before", async () => {
    const journal = await opened();
    await journal.remember([recordOf("a")]);

    void journal.forget([keyOf("a")]);
    const results = await journal.keepBytes([keepable("a")]);

    expect(results).toEqual(["unknown"]);
    expect(await journal.bytesOf(keyOf("a"))).toBeNull();
  });

  test("of a file that is over are let go when the journal is read", async () => {
    const journal = await opened();
    await journal.remember([recordOf("a")]);
    await journal.keepBytes([keepable("a")]);
    await journal.remember([recordOf("a", { end: { kind: "done", photoId: null, isDuplicate: false } })]);

    expect((await readAll(journal)).kept.has(keyOf("a"))).toBe(false);
    expect(await journal.bytesOf(keyOf("a"))).toBeNull();
  });

  test("are those of the others where one file does not fit", async () => {
    const journal = await opened();
    const [large, larger] = [recordOf("large", { sizeBytes: 1001 }), recordOf("larger", { sizeBytes: 1002 })];
    await journal.remember([recordOf("a"), large, larger, recordOf("b")]);
    const room = withRoomFor(1000);

    const results = await journal.keepBytes([
      keepable("a"),
      keepable("large", "l".repeat(1001)),
      keepable("larger", "l".repeat(1002)),
      keepable("b"),
    ]);
    room.restore();

    expect(results).toEqual(["kept", "full", "full", "kept"]);
    // All together, and each that may fit.
    expect(room.putSizes.filter((bytes) => bytes > 1000)).toEqual([1001, 1002, 1001]);
    expect(await journal.bytesOf(keyOf("large"))).toBeNull();
    expect(await journal.bytesOf(keyOf("b"))).not.toBeNull();
  });

  test.each(["DataError", "NotReadableError", "NotFoundError"])(
    "are those of the others where the disk refuses one with a %s",
    async (name) => {
      const journal = await opened();
      await journal.remember([recordOf("a"), recordOf("gone", { sizeBytes: 1 }), recordOf("b")]);
      const disk = refusing((file) => file.size === 1, name);

      const results = await journal.keepBytes([keepable("a"), keepable("gone", "g"), keepable("b")]);
      disk.restore();

      expect(results).toEqual(["kept", "unreadable", "kept"]);
    },
  );

  test.each([0, 9, 11])("are not kept of a file that has %i bytes of its ten", async (sizeBytes) => {
    const journal = await opened();
    await journal.remember([recordOf("a"), recordOf("changed")]);

    const results = await journal.keepBytes([keepable("a"), keepable("changed", "c".repeat(sizeBytes))]);

    expect(results).toEqual(["kept", "unreadable"]);
    expect((await readAll(journal)).kept.has(keyOf("changed"))).toBe(false);
  });

  test("that are not all of the file are not handed out", async () => {
    const journal = await opened();
    await journal.remember([recordOf("a")]);
    await journal.keepBytes([keepable("a")]);

    await journal.remember([recordOf("a", { sizeBytes: 11 })]);

    expect(await journal.bytesOf(keyOf("a"))).toBeNull();
  });
});

describe("kept notes", () => {
  const done = { end: { kind: "done", photoId: "p", isDuplicate: false } } as const;
  const kept = { kind: "kept", crc32: "00000000", uploadId: "up-1" } as const;

  test.each([
    ["to be sent", { ...done, sidecars: [sidecarOf(null)] }, true],
    ["sent, of a file that may be a copy", { sidecars: [sidecarOf(kept)] }, true],
    ["sent, of a file that is over", { ...done, sidecars: [sidecarOf(kept)] }, false],
    ["that no record names", done, false],
  ])("%s: %j, and are there when the journal is read again: %s", async (_, facts, isThere) => {
    const journal = await opened();
    await journal.remember([recordOf("a", facts)]);
    await journal.keepSidecars([{ ...keepable("a", "words"), name: "a.xmp" }]);

    await readAll(journal);

    const found = await journal.sidecarOf(keyOf("a"), "a.xmp");
    expect((await found?.text()) ?? null).toBe(isThere ? "words" : null);
  });

  test("go with their file, and no others", async () => {
    const journal = await opened();
    const clientIds = ["a", "a0"];
    await journal.remember(clientIds.map((id) => recordOf(id, { sidecars: [sidecarOf(null)] })));
    await journal.keepSidecars(clientIds.map((id) => ({ ...keepable(id), name: "a.xmp" })));

    await journal.forget([keyOf("a")]);

    expect(await journal.sidecarOf(keyOf("a"), "a.xmp")).toBeNull();
    expect(await journal.sidecarOf(keyOf("a0"), "a.xmp")).not.toBeNull();
  });

  function sidecarOf(end: SidecarRecord["end"]): SidecarRecord {
    return { name: "a.xmp", relativePath: "a.xmp", sizeBytes: 5, lastModifiedMs: 1, end };
  }
});

describe("a damaged journal", () => {
  test("loses the damaged records alone", async () => {
    const journal = await opened();
    await journal.rememberGallery(GALLERY);
    await journal.remember([recordOf("a"), recordOf("b")]);
    await journal.keepBytes([keepable("a"), keepable("b")]);
    await putRaw("files", { ...recordOf("b"), sizeBytes: "many" });
    await putRaw("files", { galleryId: GALLERY_ID, clientId: "c" });
    await putRaw("galleries", { id: "foreign" });
    await putRaw("roots", { id: "foreign", handle: "C:\\" });

    const all = await readAll(journal);

    expect(all.files).toEqual([recordOf("a")]);
    expect(all.galleries).toEqual([GALLERY]);
    expect(all.roots).toEqual([]);
    expect(await journal.bytesOf(keyOf("b"))).toBeNull();
  });

  test("with the stores of somebody else is made anew", async () => {
    const foreign = await rawDatabase(1, (db) => db.createObjectStore("snapshots"));
    foreign.close();

    const journal = await opened();

    expect(await journal.remember([recordOf("a")])).toBe(true);
  });

  test("of an unknown version is made anew", async () => {
    const newer = await rawDatabase(99, (db) => db.createObjectStore("files"));
    newer.close();

    const journal = await opened();

    expect(await journal.remember([recordOf("a")])).toBe(true);
    expect((await readAll(journal)).files).toHaveLength(1);
  });
});

describe("where nothing can be kept", () => {
  test("there is no journal without IndexedDB", async () => {
    Reflect.deleteProperty(globalThis, "indexedDB");

    expect(await openJournal(ACCOUNT, { onClosed: fail })).toBeNull();
  });

  test("there is no journal where opening is refused", async () => {
    globalThis.indexedDB.open = () => {
      throw new DOMException("private", "SecurityError");
    };

    expect(await openJournal(ACCOUNT, { onClosed: fail })).toBeNull();
  });

  test("there is no journal while another tab hangs with it, and nothing stays open behind", async () => {
    const hanging = await rawDatabase(1, (db) => db.createObjectStore("snapshots"));

    expect(await openJournal(ACCOUNT, { onClosed: fail, withinMs: 20 })).toBeNull();

    hanging.close();
    expect(await wipeJournal(ACCOUNT)).toBe(true);
  });

  test("a closed journal answers instead of throwing", async () => {
    const journal = await opened();
    journal.close();

    expect(await journal.remember([recordOf("a")])).toBe(false);
    expect(await journal.rememberRoots([rootOf("r")])).toBe(false);
    expect(await journal.rememberGallery(GALLERY)).toBe(false);
    expect(await journal.forgetGallery(GALLERY_ID)).toBe(false);
    expect(await journal.forget([keyOf("a")])).toBe(false);
    expect(await journal.dropBytes([keyOf("a")])).toBe(false);
    expect(await journal.keepBytes([keepable("a"), keepable("b")])).toEqual(["failed", "failed"]);
    expect(await journal.bytesOf(keyOf("a"))).toBeNull();
    expect(await journal.readAll()).toBeNull();
    expect(await journal.roots()).toEqual([]);
  });

  test("what cannot be written changes nothing", async () => {
    const journal = await opened();
    const handle = { kind: "directory", poison: () => {} } as unknown as FileSystemHandle;

    expect(await journal.rememberRoots([rootOf("fine"), { id: "poisoned", handle }])).toBe(false);

    expect(await journal.roots()).toEqual([]);
  });
});

describe("wiping", () => {
  test("leaves no database", async () => {
    const journal = await opened();
    await journal.remember([recordOf("a")]);

    expect(await journal.wipe()).toBe(true);

    expect(await globalThis.indexedDB.databases()).toEqual([]);
    expect((await readAll(await opened())).files).toEqual([]);
  });

  test("by another tab closes this one's, which says so", async () => {
    let closedCount = 0;
    const journal = await opened(() => {
      closedCount += 1;
    });
    await journal.remember([recordOf("a")]);

    expect(await wipeJournal(ACCOUNT)).toBe(true);

    expect(closedCount).toBe(1);
    expect(await journal.remember([recordOf("a")])).toBe(false);
    expect(await globalThis.indexedDB.databases()).toEqual([]);
  });

  test("what nobody ever opened is nothing", async () => {
    expect(await wipeJournal(ACCOUNT)).toBe(true);
    expect(await wipeJournal(ACCOUNT)).toBe(true);
  });

  test("empties a database that another tab holds open", async () => {
    const journal = await opened();
    await journal.remember([recordOf("a")]);
    await journal.keepBytes([keepable("a")]);
    const holding = await rawDatabase(1);

    expect(await journal.wipe(20)).toBe(true);

    const count = holding.transaction(["files", "bytes"]).objectStore("files").count();
    expect(await answered(count)).toBe(0);
    holding.close();
  });

  test("by the browser itself is told too", async () => {
    let closedCount = 0;
    const journal = await opened(() => {
      closedCount += 1;
    });

    await evict();

    expect(closedCount).toBe(1);
    expect(await journal.remember([recordOf("a")])).toBe(false);
  });
});

function fail(): void {
  throw new Error("the journal was closed");
}

async function opened(onClosed: () => void = () => {}): Promise<Journal> {
  const journal = await openJournal(ACCOUNT, { onClosed });
  if (journal === null) throw new Error("no journal");
  return journal;
}

async function readAll(journal: Journal): Promise<NonNullable<Awaited<ReturnType<Journal["readAll"]>>>> {
  const all = await journal.readAll();
  if (all === null) throw new Error("the journal cannot be read");
  return all;
}

function keyOf(clientId: string): FileKey {
  return { galleryId: GALLERY_ID, clientId };
}

function recordOf(clientId: string, facts: Partial<FileRecord> = {}): FileRecord {
  return {
    ...keyOf(clientId),
    order: 0,
    name: `${clientId}.jpg`,
    relativePath: `Norway/${clientId}.jpg`,
    sizeBytes: 10,
    lastModifiedMs: 1_700_000_000_000,
    type: "image/jpeg",
    uploadId: null,
    rootId: null,
    allowsDuplicate: false,
    end: null,
    ...facts,
  };
}

function rootOf(id: string): { id: string; handle: FileSystemHandle } {
  return { id, handle: { kind: "directory", name: "Norway" } as unknown as FileSystemHandle };
}

function keepable(clientId: string, text = `bytes of ${clientId}`): { key: FileKey; file: Blob } {
  return { key: keyOf(clientId), file: new Blob([text]) };
}

type Broken = { readonly putSizes: number[]; readonly restore: () => void };

/** The browser aborts a transaction with a file larger than this, as it does where the disk is full. */
function withRoomFor(bytes: number): Broken {
  return refusing((file) => file.size > bytes, "QuotaExceededError");
}

/** Aborts at the end of a transaction in which such a file was put, as browsers do. */
function refusing(isRefused: (file: Blob) => boolean, errorName: string): Broken {
  const putSizes: number[] = [];
  const original = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function put(this: IDBObjectStore, value: unknown, key?: IDBValidKey) {
    const request = original.call(this, value, key);
    if (value instanceof Blob) {
      putSizes.push(value.size);
      if (isRefused(value)) request.addEventListener("success", () => abortWith(this.transaction, errorName));
    }
    return request;
  };
  return {
    putSizes,
    restore: () => {
      IDBObjectStore.prototype.put = original;
    },
  };
}

function abortWith(transaction: IDBTransaction, errorName: string): void {
  (transaction as unknown as { _abort(name: string): void })._abort(errorName);
}

function rawDatabase(version: number, upgrade: (db: IDBDatabase) => void = () => {}): Promise<IDBDatabase> {
  const request = globalThis.indexedDB.open(NAME, version);
  request.onupgradeneeded = () => upgrade(request.result);
  return answered(request);
}

/** What a browser does that runs out of room, or whose person clears the site's data. */
async function evict(): Promise<void> {
  type Connection = Parameters<typeof forceCloseDatabase>[0];
  const raw = (await rawDatabase(1)) as unknown as { _rawDatabase: { connections: Connection[] } };
  for (const connection of [...raw._rawDatabase.connections]) forceCloseDatabase(connection);
}

async function putRaw(store: string, value: unknown): Promise<void> {
  const db = await rawDatabase(1);
  await answered(db.transaction([store], "readwrite").objectStore(store).put(value));
  db.close();
}

function answered<Value>(request: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
