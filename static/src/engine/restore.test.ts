import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, test, vi } from "vitest";
import { type Journal, openJournal, wipeJournal } from "../io/journal.ts";
import type { FileRecord } from "../io/journal-records.ts";
import { MIB } from "../kernel/units.ts";
import { FakeWorld, GALLERY_ID, photoBytes } from "./fake-world.ts";
import { Memory } from "./memory.ts";
import type { ChosenFile } from "./port.ts";

vi.setConfig({ testTimeout: 30_000 });

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

/** A browser whose engines, one after another, share one journal. */
class Browser extends FakeWorld {
  #open: (() => void) | null = null;
  /** So many times there is no room for what is to be written down of files. */
  fullCount = 0;

  /** Starts the engine with what this browser remembers; the one before is dead from now on. */
  async visit(): Promise<void> {
    this.visitAnd(() => {});
    await this.turn();
  }

  /** `ask` is asked before the engine has read what this browser remembers. */
  visitAnd(ask: () => void): void {
    this.#open?.();
    const memory = new Memory({
      clock: this.clock,
      open: async (onClosed) => {
        const journal = await openJournal("owner", { onClosed });
        this.#open = () => journal?.close();
        return journal === null ? null : this.#withLittleRoom(journal);
      },
      room: () => Promise.resolve(null),
    });
    this.reports.length = 0;
    this.startEngine({ memory, userId: "owner" });
    ask();
  }

  #withLittleRoom(journal: Journal): Journal {
    const remember = journal.remember.bind(journal);
    return Object.assign(journal, {
      remember: async (files: readonly FileRecord[]) => {
        this.fullCount -= 1;
        return this.fullCount < 0 && (await remember(files));
      },
    });
  }

  /** As where the browser had no room for them. */
  async dropCopies(): Promise<void> {
    const journal = await openJournal("owner", { onClosed: () => {} });
    await journal?.dropBytes((await journal.readAll())?.files ?? []);
    journal?.close();
  }

  async untilKept(count: number): Promise<void> {
    await this.until(() => this.hasTally() && this.tally().kept.bytes === count);
  }

  sentBytes(): number {
    return this.puts.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/** A file whose bytes can be copied, as a chosen one's can. */
function chosen(name: string, byteCount: number, seed: number, relativePath = name): ChosenFile {
  const file = new File([photoBytes(byteCount, seed) as BlobPart], name, { lastModified: 1_760_000_000_000 });
  return { file, relativePath };
}

function some(count: number): ChosenFile[] {
  return Array.from({ length: count }, (_, seed) => chosen(`photo-${seed}.jpg`, 50_000, seed));
}

async function visitor(): Promise<Browser> {
  const browser = new Browser();
  await browser.visit();
  return browser;
}

test("files go on by themselves after the browser was killed, and none is sent twice", async () => {
  const browser = await visitor();
  browser.onPut = () => (browser.puts.length > 4 ? "lost" : "none");
  browser.onCall = (path) => (path.endsWith("/complete") ? "lost" : "none");
  browser.add(some(10));
  await browser.untilKept(10);
  await browser.until(() => browser.puts.length > 4);

  browser.onPut = () => "none";
  browser.onCall = () => "none";
  const sentBefore = browser.objects.size;
  browser.puts.length = 0;
  await browser.visit();
  const tally = await browser.untilComplete();

  expect(tally).toMatchObject({ outcome: "all", chosenCount: 10, doneCount: 10, percent: 100 });
  expect(browser.puts.length).toBeLessThanOrEqual(10 - sentBefore + 6);
});

test("parts that the store has are not sent again", async () => {
  const browser = await visitor();
  browser.onPut = () => (browser.puts.length > 3 ? "lost" : "none");
  browser.add([chosen("large.jpg", 60 * MIB, 1)]);
  await browser.untilKept(1);
  await browser.until(() => browser.puts.length > 3);

  browser.onPut = () => "none";
  browser.puts.length = 0;
  await browser.visit();
  await browser.untilComplete();

  expect(browser.sentBytes()).toBeLessThanOrEqual(60 * MIB - 3 * 8 * MIB);
});

test("a file the server never heard of is registered after the restart", async () => {
  const browser = await visitor();
  browser.onCall = (path) => (path.endsWith("/batch") ? "lost" : "none");
  browser.add(some(3));
  await browser.untilKept(3);

  browser.onCall = () => "none";
  await browser.visit();

  expect(await browser.untilComplete()).toMatchObject({ outcome: "all", doneCount: 3 });
});

test("what was cancelled elsewhere meanwhile does not come back", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(3));
  await browser.untilKept(3);
  await browser.until(() => browser.rows.size === 3);
  const [row] = browser.rows.values();
  if (row !== undefined) Object.assign(row, { state: "cancelled", version: row.version + 1 });

  browser.onPut = () => "none";
  await browser.visit();

  expect(await browser.untilComplete()).toMatchObject({ doneCount: 2, removedCount: 1 });
});

test("a removal that the server had not heard of is said again", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.onCall = (path) => (path.endsWith("/cancel") ? "lost" : "none");
  browser.add(some(2));
  await browser.untilKept(2);
  await browser.until(() => browser.rows.size === 2);
  const [gone] = browser.rowViews();
  browser.send({ type: "remove", fileIds: [gone?.fileId ?? ""] });
  await browser.pass(2_000);

  browser.onPut = () => "none";
  browser.onCall = () => "none";
  await browser.visit();
  await browser.untilComplete();

  expect(browser.rowNamed(gone?.name ?? "")?.state).toBe("cancelled");
});

test("a file removed just before the browser dies does not come back", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.onCall = (path) => (path.endsWith("/cancel") ? "lost" : "none");
  browser.add(some(2));
  await browser.untilKept(2);
  await browser.until(() => browser.rows.size === 2);
  await browser.pass(2_000);
  browser.send({ type: "remove", fileIds: [browser.rowViews()[0]?.fileId ?? ""] });
  await browser.pass(15);

  browser.onPut = () => "none";
  browser.onCall = () => "none";
  await browser.visit();

  expect(await browser.untilComplete()).toMatchObject({ doneCount: 1, removedCount: 1 });
});

test("a paused gallery stays paused over a restart, and goes on at Resume", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(4));
  await browser.untilKept(4);
  browser.send({ type: "pause" });
  await browser.pass(2_000);

  browser.onPut = () => "none";
  browser.puts.length = 0;
  await browser.visit();
  await browser.pass(60_000);
  expect(browser.tally()).toMatchObject({ paused: true });
  expect(browser.puts).toHaveLength(0);

  browser.send({ type: "resume" });
  expect(await browser.untilComplete()).toMatchObject({ doneCount: 4 });
});

test("bytes are freed as files are verified, and the receipt still names them after a restart", async () => {
  const browser = await visitor();
  browser.add(some(3));
  await browser.untilComplete();
  await browser.pass(2_000);

  await browser.visit();
  await browser.until(() => browser.hasTally());
  const journal = await openJournal("owner", { onClosed: () => {} });
  const all = await journal?.readAll();
  journal?.close();

  expect(browser.tally()).toMatchObject({ chosenCount: 3, doneCount: 3, percent: 100 });
  expect(all?.files.map((file) => all.kept.has(file))).toEqual([false, false, false]);
});

test("a file without its bytes is chosen again and sends only what is missing", async () => {
  const browser = await visitor();
  const files = some(5);
  browser.onPut = () => (browser.puts.length > 2 ? "lost" : "none");
  browser.onCall = (path) => (path.endsWith("/complete") ? "lost" : "none");
  browser.add(files);
  await browser.untilKept(5);
  await browser.until(() => browser.puts.length > 2);
  const journal = await openJournal("owner", { onClosed: () => {} });
  const all = await journal?.readAll();
  await journal?.dropBytes(all?.files ?? []);
  journal?.close();

  browser.onPut = () => "none";
  browser.onCall = () => "none";
  await browser.visit();
  await browser.until(() => browser.hasTally() && browser.tally().files.waiting > 0);
  await browser.pass(5_000);
  const waiting = browser.tally().files.waiting;
  browser.puts.length = 0;
  browser.add(files);

  expect(await browser.untilComplete()).toMatchObject({ doneCount: 5, chosenCount: 5 });
  expect(browser.puts.length).toBeLessThanOrEqual(waiting);
});

test("a file changed on the disk is named and goes up as a new one; the one before keeps waiting", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add([chosen("a.jpg", 50_000, 1, "card/a.jpg")]);
  await browser.untilKept(1);
  const journal = await openJournal("owner", { onClosed: () => {} });
  await journal?.dropBytes((await journal.readAll())?.files ?? []);
  journal?.close();

  browser.onPut = () => "none";
  await browser.visit();
  await browser.until(() => browser.hasTally() && browser.tally().files.waiting === 1);
  browser.add([chosen("a.jpg", 50_001, 2, "card/a.jpg")]);
  await browser.until(() => browser.tally().doneCount === 1);

  expect(browser.tally().changedNames).toEqual(["card/a.jpg"]);
  expect(browser.tally().files.waiting).toBe(1);
});

test("what an earlier visit left is not lost to somebody else who has signed in", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(2));
  await browser.untilKept(2);

  browser.onPut = () => "none";
  browser.userId = "stranger";
  browser.onCall = (path) => (path.includes("/galleries/") ? "forbidden" : "none");
  await browser.visit();
  await browser.pass(60_000);
  expect(browser.tally()).toMatchObject({ waitingFor: "sign_in", kept: { bytes: 2 } });

  browser.userId = "owner";
  browser.onCall = () => "none";
  await browser.visit();
  expect(await browser.untilComplete()).toMatchObject({ doneCount: 2 });
});

test("what a gallery that was deleted meanwhile left out is told on every visit until it is dismissed", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(2));
  await browser.untilKept(2);
  await browser.until(() => browser.rows.size === 2);
  const told = { code: "gallery_deleted", count: 2, names: ["photo-0.jpg", "photo-1.jpg"] };

  browser.onCall = (path) => (path.includes("/galleries/") ? "deleted" : "none");
  for (const hours of [0, 30]) {
    await browser.pass(hours * 60 * 60_000);
    await browser.visit();
    await browser.pass(5_000);
    expect(browser.tally().problems).toMatchObject([told]);
  }

  browser.send({ type: "dismiss" });
  await browser.pass(5_000);
  await browser.visit();
  await browser.pass(5_000);
  expect(browser.hasTally()).toBe(false);
});

test("where nobody can tell why a gallery is gone, its files are told too", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(2));
  await browser.untilKept(2);

  browser.onCall = (path) => (path.includes("/uploads") ? "forbidden" : "none");
  await browser.visit();
  await browser.pass(5_000);

  expect(browser.tally().problems).toMatchObject([{ code: "gallery_gone", count: 2, retryable: false }]);
});

test("what was sent before its gallery was deleted is no trouble", async () => {
  const browser = await visitor();
  browser.add(some(2));
  await browser.untilComplete();
  await browser.pass(2_000);

  browser.onCall = (path) => (path.includes("/galleries/") ? "deleted" : "none");
  await browser.visit();
  await browser.pass(5_000);

  expect(browser.lastTold()).toMatchObject({ galleries: [] });
});

test("a gallery that was brought back gets what it had left out, without a click; what was paused rests", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(3));
  await browser.untilKept(3);
  await browser.until(() => browser.rows.size === 3);
  browser.send({ type: "pause", fileIds: [browser.rowViews()[0]?.fileId ?? ""] });
  await browser.pass(2_000);
  browser.onCall = (path) => (path.includes("/galleries/") ? "deleted" : "none");
  await browser.visit();
  await browser.pass(5_000);
  expect(browser.tally().problems).toMatchObject([{ code: "gallery_deleted", count: 3 }]);

  for (const row of browser.rows.values()) row.state = "cancelled";
  browser.onCall = () => "none";
  browser.onPut = () => "none";
  await browser.visit();
  await browser.until(() => browser.hasTally() && browser.tally().doneCount === 2);
  expect(browser.tally().files).toMatchObject({ done: 2, paused: 1 });

  browser.send({ type: "resume" });
  await browser.until(() => browser.tally().doneCount === 3);
  expect(browser.tally()).toMatchObject({ phase: "complete", outcome: "all" });
});

test("signed out, nothing is sent any more and nothing is remembered", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(3));
  await browser.untilKept(3);
  await browser.engine.signOut();
  browser.puts.length = 0;
  browser.onPut = () => "none";
  await browser.pass(60_000);

  expect(browser.puts).toHaveLength(0);
  await browser.visit();
  await browser.pass(5_000);
  expect(browser.hasTally(GALLERY_ID)).toBe(false);
});

test("what another tab wiped no longer counts as kept, and uploads go on", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(3));
  await browser.untilKept(3);
  await wipeJournal("owner");

  await browser.until(() => browser.tally().kept.none === 3);
  browser.onPut = () => "none";
  expect(await browser.untilComplete()).toMatchObject({ doneCount: 3 });
});

test("a page that shows a file of an earlier visit is handed its copy, for a picture", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(2));
  await browser.untilKept(2);
  browser.send({ type: "pause" });
  await browser.pass(2_000);

  await browser.visit();
  const handed = () => browser.reports.flatMap((report) => (report.type === "rows" ? report.rows : []));
  browser.send({ type: "rows", galleryId: GALLERY_ID, fromIndex: 0, count: 20 });
  await browser.until(() => handed().filter(({ file }) => file !== null).length === 2);

  expect(handed().find(({ file }) => file !== null)?.file?.size).toBe(50_000);
});

test("the copy of a photo that has arrived is let go of, for its disk is free only then", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(2));
  await browser.untilKept(2);

  browser.onPut = () => "none";
  await browser.visit();
  await browser.untilComplete();
  browser.send({ type: "rows", galleryId: GALLERY_ID, fromIndex: 0, count: 20 });

  const rows = [
    { state: "done", file: null },
    { state: "done", file: null },
  ];
  expect(browser.reports.at(-1)).toMatchObject({ type: "rows", rows });
});

test("what could not be written down at first is, and is kept, with the next change", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.fullCount = 1;
  browser.add(some(3));
  await browser.untilKept(3);

  browser.onPut = () => "none";
  await browser.visit();

  expect(await browser.untilComplete()).toMatchObject({ chosenCount: 3, doneCount: 3 });
});

test("one file that was paused rests over a restart, one that was resumed goes on", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(3));
  await browser.untilKept(3);
  const [one] = browser.rowViews().map(({ fileId }) => fileId);
  browser.send({ type: "pause", fileIds: [one ?? ""] });
  await browser.pass(2_000);

  browser.onPut = () => "none";
  await browser.visit();
  await browser.until(() => browser.hasTally() && browser.tally().doneCount === 2);
  await browser.pass(60_000);
  expect(browser.tally()).toMatchObject({ doneCount: 2, files: { paused: 1 }, paused: false });

  browser.onPut = () => "lost";
  browser.add(some(5));
  await browser.untilKept(3);
  browser.send({ type: "pause" });
  browser.send({ type: "resume", fileIds: [one ?? ""] });
  await browser.pass(2_000);
  browser.onPut = () => "none";
  await browser.visit();
  await browser.pass(60_000);
  expect(browser.tally()).toMatchObject({ doneCount: 3, files: { paused: 2 }, paused: true });
});

test("what the server could not tell at once is asked again, and the files go on", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(3));
  await browser.untilKept(3);
  await browser.until(() => browser.rows.size === 3);

  browser.onPut = () => "none";
  let brokenCount = 0;
  browser.onCall = (path) => {
    const isBroken = path.endsWith("/uploads") && brokenCount < 20;
    if (isBroken) brokenCount += 1;
    return isBroken ? "server_error" : "none";
  };
  await browser.visit();

  expect(await browser.untilComplete()).toMatchObject({ outcome: "all", doneCount: 3 });
});

test("what is asked before the journal is read is done after it", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(4));
  await browser.untilKept(4);
  await browser.until(() => browser.rows.size === 4);

  browser.onPut = () => "none";
  browser.visitAnd(() => browser.send({ type: "pause" }));
  await browser.pass(60_000);

  expect(browser.tally()).toMatchObject({ paused: true, chosenCount: 4 });
  expect(browser.puts).toHaveLength(0);
});

test("what is added before the journal is read waits with a gallery that is paused", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  const files = some(4);
  browser.add(files.slice(0, 2));
  await browser.untilKept(2);
  browser.send({ type: "pause" });
  await browser.pass(2_000);

  browser.onPut = () => "none";
  browser.visitAnd(() => browser.add(files));
  await browser.pass(60_000);
  await browser.visit();
  await browser.pass(60_000);

  expect(browser.tally()).toMatchObject({ paused: true, chosenCount: 4 });
  expect(browser.puts).toHaveLength(0);
});

test("what is not a photo is still told as such after a restart, and not asked for", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  const notes = new File(["only words"], "notes.txt", { lastModified: 1_760_000_000_000 });
  browser.add([...some(1), { file: notes, relativePath: "notes.txt" }]);
  await browser.untilKept(1);
  await browser.until(() => browser.tally().files.invalid === 1);
  const before = browser.tally().problems;
  await browser.pass(2_000);

  await browser.visit();
  await browser.pass(5_000);

  expect(browser.tally().files).toMatchObject({ invalid: 1, waiting: 0 });
  expect(browser.tally().problems).toEqual(before);
});

test("what a full gallery left out is told as such after a restart, and not asked for", async () => {
  const browser = await visitor();
  browser.refusal = ({ name }) =>
    name === "photo-2.jpg" ? { code: "gallery_full", message: "", retryable: false } : null;
  browser.add(some(3));
  await browser.untilComplete();
  const before = browser.tally().problems;
  await browser.pass(2_000);
  await browser.dropCopies();

  await browser.visit();
  await browser.pass(5_000);

  expect(browser.tally().files).toMatchObject({ done: 2, failed: 1, waiting: 0 });
  expect(browser.tally().problems).toEqual(before);
});

test("a file chosen again and removed before the server answers is cancelled there too", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  const files = some(1);
  browser.add(files);
  await browser.untilKept(1);
  await browser.until(() => browser.rows.size === 1);
  await browser.dropCopies();
  browser.onPut = () => "none";
  await browser.visit();
  await browser.until(() => browser.hasTally() && browser.tally().files.waiting === 1);
  await browser.pass(5_000);

  browser.add(files);
  browser.send({ type: "remove" });
  await browser.pass(60_000);

  expect(browser.tally()).toMatchObject({ removedCount: 1 });
  expect([...browser.rows.values()].map(({ state }) => state)).toEqual(["cancelled"]);
});

test("a gallery that is gone is not asked for any more", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(2));
  await browser.untilKept(2);

  browser.onCall = (path) => (path.includes("/galleries/") ? "forbidden" : "none");
  browser.visitAnd(() => browser.add([chosen("late.jpg", 50_000, 9)]));
  await browser.pass(5_000);
  browser.calls.length = 0;
  await browser.pass(10 * 60_000);

  expect(browser.calls).toEqual([]);
});

test("a folder that cannot even be asked about takes nothing else along", async () => {
  const browser = await visitor();
  browser.onPut = () => "lost";
  browser.add(some(2));
  await browser.untilKept(2);
  const journal = await openJournal("owner", { onClosed: () => {} });
  const [file] = (await journal?.readAll())?.files ?? [];
  await journal?.rememberRoots([{ id: "broken", handle: { kind: "directory" } as FileSystemHandle }]);
  if (file !== undefined) await journal?.remember([{ ...file, rootId: "broken" }]);
  journal?.close();

  browser.onPut = () => "none";
  await browser.visit();

  expect(await browser.untilComplete()).toMatchObject({ doneCount: 2 });
});

test("what ended an hour ago is forgotten, however often the page was loaded since", async () => {
  const browser = await visitor();
  browser.add(some(2));
  await browser.untilComplete();
  for (let visit = 0; visit < 4; visit += 1) {
    await browser.pass(20 * 60_000);
    await browser.visit();
    await browser.pass(2_000);
  }

  expect(browser.hasTally()).toBe(false);
});

test("a later visit sums up the round that ended last, and lists the galleries before it", async () => {
  const other = "22222222-2222-4222-8222-222222222222";
  const browser = await visitor();
  browser.add(some(3));
  await browser.untilComplete();
  await browser.pass(5_000);
  browser.add([chosen("late.jpg", 50_000, 9)], other);
  await browser.untilComplete(other);
  await browser.pass(5_000);

  await browser.visit();
  await browser.until(() => browser.hasTally(other) && browser.hasTally());

  const told = browser.reports.findLast((report) => report.type === "tally");
  expect(told?.galleries).toHaveLength(2);
  expect(told?.total).toMatchObject({ chosenCount: 1, doneCount: 1 });
});
