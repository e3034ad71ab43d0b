import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, describe, expect, test } from "vitest";
import type { Room } from "../domain/keep-plan.ts";
import { type Journal, type Keepable, type KeepResult, openJournal } from "../io/journal.ts";
import type { FileKey, FileRecord } from "../io/journal-records.ts";
import { ManualClock } from "../kernel/clock.ts";
import { Keeper } from "./keeper.ts";

const GALLERY_ID = "11111111-1111-4111-8111-111111111111";
const KIB = 1024;

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

describe("keeping", () => {
  test("copies every file where there is room", async () => {
    const browser = await Browser.with({ fileCount: 50 });

    browser.addAll();
    await browser.until(() => browser.keptCount() === 50);

    expect(await browser.copiedNames()).toEqual(browser.names);
    expect(browser.steps.map((step) => step.length)).toEqual([20, 20, 10]);
  });

  test("goes in the order in which files were added", async () => {
    const browser = await Browser.with({ fileCount: 45 });

    browser.addAll();
    await browser.until(() => browser.keptCount() === 45);

    expect(browser.steps.flat()).toEqual(browser.names);
  });

  test("counts a file only when its copy is complete, and tells", async () => {
    const browser = await Browser.with({ fileCount: 1 });
    const finishCopy = browser.holdCopies();
    browser.addAll();
    await browser.until(() => browser.steps.length === 1);
    expect(browser.keptCount()).toBe(0);
    expect(browser.changeCount).toBe(0);

    finishCopy();
    await browser.until(() => browser.keptCount() === 1);

    expect(browser.changeCount).toBe(1);
  });

  test("rests as long as it worked", async () => {
    const browser = await Browser.with({ fileCount: 40 });
    const finishCopy = browser.holdCopies();
    browser.addAll();
    await browser.until(() => browser.steps.length === 1);
    browser.clock.advance(300);

    finishCopy();
    await browser.until(() => browser.keptCount() === 20);
    expect(browser.clock.untilNextMs()).toBe(300);
    expect(browser.steps).toHaveLength(1);

    browser.clock.advance(300);
    await browser.until(() => browser.keptCount() === 40);
  });

  test("of a file twice copies it once", async () => {
    const browser = await Browser.with({ fileCount: 1 });
    browser.addAll();
    await browser.until(() => browser.keptCount() === 1);

    browser.addAll();
    await browser.quiet();

    expect(browser.steps).toHaveLength(1);
  });

  test("of a file that is being copied copies it once", async () => {
    const browser = await Browser.with({ fileCount: 1 });
    const finishCopy = browser.holdCopies();
    browser.addAll();
    await browser.until(() => browser.steps.length === 1);

    browser.addAll();
    finishCopy();
    await browser.quiet();

    expect(browser.keptCount()).toBe(1);
    expect(browser.steps).toHaveLength(1);
  });

  test("copies nothing that the store has already, unless it has to be sent again", async () => {
    const browser = await Browser.with({ fileCount: 4 });
    browser.sentNames.add(browser.name(1)).add(browser.name(2));
    browser.addAll();
    await browser.until(() => browser.keptCount() === 2);
    expect(await browser.copiedNames()).toEqual([browser.name(0), browser.name(3)]);

    browser.sentNames.delete(browser.name(2));
    browser.keeper.drop(browser.key(0));
    await browser.until(() => browser.keeper.isKept(browser.key(2)));

    expect(await browser.copiedNames()).toEqual([browser.name(2), browser.name(3)]);
  });

  test("counts what an earlier visit kept, though it is chosen and copied before that is known", async () => {
    const browser = await Browser.with({ fileCount: 3, fileBytes: 10 * KIB, quotaBytes: 300 * KIB });
    const finishCopy = browser.holdCopies();
    await browser.journal.keepBytes(browser.files.slice(0, 2));
    browser.add(0);
    await browser.until(() => browser.steps.length === 1);
    browser.add(1);

    browser.keeper.adopt(browser.key(0), 10 * KIB);
    browser.keeper.adopt(browser.key(1), 10 * KIB);
    finishCopy();
    await browser.quiet();

    expect(browser.keptCount()).toBe(2);
    expect(await browser.copiedNames()).toEqual(browser.names.slice(0, 2));
    expect(browser.steps).toEqual([[browser.name(0)]]);
  });

  test("knows what an earlier visit kept, and frees it", async () => {
    const browser = await Browser.with({ fileCount: 2 });
    await browser.journal.keepBytes(browser.files.slice(0, 1));
    browser.keeper.adopt(browser.key(0), 10 * KIB);

    browser.addAll();
    await browser.until(() => browser.keptCount() === 2);
    expect(browser.steps).toEqual([[browser.name(1)]]);

    browser.keeper.drop(browser.key(0));
    await browser.until(async () => (await browser.copiedNames()).length === 1);
  });
});

describe("a file that is over", () => {
  test("is freed", async () => {
    const browser = await Browser.with({ fileCount: 2 });
    browser.addAll();
    await browser.until(() => browser.keptCount() === 2);

    browser.keeper.drop(browser.key(0));

    expect(browser.keptCount()).toBe(1);
    await browser.until(async () => (await browser.copiedNames()).length === 1);
    expect(await browser.copiedNames()).toEqual([browser.name(1)]);
  });

  test("before its turn is never copied", async () => {
    const browser = await Browser.with({ fileCount: 30 });
    browser.addAll();

    browser.keeper.drop(browser.key(0));
    browser.keeper.drop(browser.key(25));
    await browser.until(() => browser.keptCount() === 28);

    expect(browser.steps.flat()).not.toContain(browser.name(0));
    expect(browser.steps.flat()).not.toContain(browser.name(25));
  });

  test("while it is copied is not kept", async () => {
    const browser = await Browser.with({ fileCount: 2 });
    const finishCopy = browser.holdCopies();
    browser.addAll();
    await browser.until(() => browser.steps.length === 1);

    browser.keeper.drop(browser.key(0));
    finishCopy();
    await browser.until(() => browser.keptCount() === 1);
    await browser.quiet();

    expect(browser.keeper.isKept(browser.key(0))).toBe(false);
    expect(await browser.copiedNames()).toEqual([browser.name(1)]);
  });

  test("and chosen again while it is copied is kept as it was chosen last", async () => {
    const browser = await Browser.with({ fileCount: 1 });
    const finishCopy = browser.holdCopies();
    browser.addAll();
    await browser.until(() => browser.steps.length === 1);

    browser.keeper.drop(browser.key(0));
    browser.add(0, new Blob(["x".repeat(KIB)]));
    finishCopy();
    await browser.until(() => browser.keptCount() === 1);

    expect(await (await browser.journal.bytesOf(browser.key(0)))?.text()).toBe("x".repeat(KIB));
  });

  test.each([1, 100])("makes room for the next ones, %i at a moment", async (overCount) => {
    const browser = await Browser.with({ fileCount: 200, fileBytes: 10 * KIB, quotaBytes: 1150 * KIB });
    browser.addAll();
    await browser.until(() => browser.keptCount() === 103);

    for (let index = 0; index < overCount; index += 1) browser.keeper.drop(browser.key(index));
    await browser.until(() => browser.keptCount() === Math.min(103, 200 - overCount));

    const last = Math.min(103 + overCount, 200);
    expect(await browser.copiedNames()).toEqual(browser.names.slice(overCount, last));
  });
});

describe("where there is not room for all", () => {
  test("the first are kept, within what the browser gives", async () => {
    const browser = await Browser.with({ fileCount: 100, fileBytes: 10 * KIB, quotaBytes: 300 * KIB });

    browser.addAll();
    await browser.until(() => browser.keptCount() === 27);
    await browser.quiet();

    expect(await browser.copiedNames()).toEqual(browser.names.slice(0, 27));
    expect(browser.refusalCount).toBe(0);
  });

  test("a file that does not fit starves no later one", async () => {
    const browser = await Browser.with({ fileCount: 20, fileBytes: 10 * KIB, quotaBytes: 1000 * KIB });
    browser.enlarge(3, 2000 * KIB);

    browser.addAll();
    await browser.until(() => browser.keptCount() === 19);

    expect(browser.keeper.isKept(browser.key(3))).toBe(false);
  });

  test.each([{ says: null }, { says: { quotaBytes: 10 ** 12, usageBytes: 0 } }])(
    "a browser that says $says is believed when it refuses",
    async ({ says }) => {
      const browser = await Browser.with({ fileCount: 100, fileBytes: 10 * KIB, quotaBytes: 300 * KIB });
      browser.says = says;

      browser.addAll();
      await browser.quiet();

      // One tenth is given back: the records of all files must still find room.
      expect(browser.keptCount()).toBe(27);
      expect(await browser.copiedNames()).toEqual(browser.names.slice(0, 27));
    },
  );

  test("a full browser is not asked again and again", async () => {
    const browser = await Browser.with({ fileCount: 100, fileBytes: 10 * KIB, quotaBytes: 300 * KIB });
    browser.says = null;
    browser.addAll();
    await browser.quiet();
    const stepCount = browser.steps.length;

    browser.clock.advance(60 * 60 * 1000);
    await browser.quiet();

    expect(browser.steps).toHaveLength(stepCount);
  });

  test("what the full browser frees is filled again, in order", async () => {
    const browser = await Browser.with({ fileCount: 100, fileBytes: 10 * KIB, quotaBytes: 300 * KIB });
    browser.says = null;
    browser.addAll();
    await browser.quiet();

    for (let index = 0; index < 10; index += 1) browser.keeper.drop(browser.key(index));
    await browser.until(() => browser.keeper.isKept(browser.key(36)));

    expect(await browser.copiedNames()).toEqual(browser.names.slice(10, 37));
  });

  test("what it once refused is tried again some time after bytes were freed", async () => {
    const browser = await Browser.with({ fileCount: 100, fileBytes: 10 * KIB, quotaBytes: 300 * KIB });
    browser.says = null;
    browser.addAll();
    await browser.quiet();

    browser.quotaBytes = 10 ** 12;
    browser.keeper.drop(browser.key(0));
    await browser.rounds(50);
    expect(browser.keptCount()).toBe(27);
    browser.clock.advance(5_000);
    await browser.until(() => browser.keptCount() === 99);
  });

  test("a browser that frees late is not believed to be smaller for ever", async () => {
    const browser = await Browser.with({ fileCount: 100, fileBytes: 10 * KIB, quotaBytes: 300 * KIB });
    browser.says = null;
    browser.addAll();
    await browser.quiet();

    browser.unfreedBytes = 100 * KIB;
    for (let index = 0; index < 10; index += 1) browser.keeper.drop(browser.key(index));
    await browser.rounds(50);
    expect(browser.keptCount()).toBeLessThan(27);
    browser.unfreedBytes = 0;
    await browser.quiet();

    expect(browser.keptCount()).toBe(27);
  });

  test("what the browser frees late is found without being told", async () => {
    const browser = await Browser.with({ fileCount: 100, fileBytes: 10 * KIB, quotaBytes: 300 * KIB });
    browser.addAll();
    await browser.until(() => browser.keptCount() === 27);
    browser.unfreedBytes = 100 * KIB;

    for (let index = 0; index < 10; index += 1) browser.keeper.drop(browser.key(index));
    await browser.rounds(50);
    expect(browser.keptCount()).toBeLessThan(20);
    browser.unfreedBytes = 0;
    browser.clock.advance(5_000);
    await browser.until(() => browser.keptCount() === 27);
  });

  test("a file too large for a full browser starves no smaller one", async () => {
    const browser = await Browser.with({ fileCount: 20, fileBytes: 10 * KIB, quotaBytes: 1000 * KIB });
    browser.says = null;
    browser.enlarge(0, 2000 * KIB);
    browser.enlarge(7, 1500 * KIB);

    browser.addAll();
    await browser.until(() => browser.keptCount() >= 16);
    await browser.quiet();

    expect(browser.keptCount()).toBe(16);
  });
});

describe("a file that cannot be kept", () => {
  test("is passed over", async () => {
    const browser = await Browser.with({ fileCount: 5 });
    browser.resultOf = (name) => (name === browser.name(2) ? "unreadable" : null);

    browser.addAll();
    await browser.until(() => browser.keptCount() === 4);
    await browser.quiet();

    expect(browser.keeper.isKept(browser.key(2))).toBe(false);
    expect(browser.steps).toHaveLength(1);
  });

  test("because the journal broke is tried again with the next one", async () => {
    const browser = await Browser.with({ fileCount: 5 });
    browser.resultOf = () => "failed";
    browser.add(0);
    await browser.quiet();
    expect(browser.steps).toHaveLength(1);

    browser.resultOf = () => null;
    browser.add(1);
    await browser.until(() => browser.keptCount() === 2);
  });
});

describe("stopped", () => {
  test("nothing counts as kept, and nothing more is copied", async () => {
    const browser = await Browser.with({ fileCount: 40 });
    const finishCopy = browser.holdCopies();
    browser.addAll();
    await browser.until(() => browser.steps.length === 1);

    browser.keeper.stop();
    finishCopy();
    browser.addAll();
    await browser.quiet();

    expect(browser.keptCount()).toBe(0);
    expect(browser.steps).toHaveLength(1);
  });

  test("what was kept does not count any more", async () => {
    const browser = await Browser.with({ fileCount: 2 });
    browser.addAll();
    await browser.until(() => browser.keptCount() === 2);
    const changeCount = browser.changeCount;

    browser.keeper.stop();

    expect(browser.keptCount()).toBe(0);
    expect(browser.changeCount).toBe(changeCount + 1);
  });
});

type BrowserFacts = { readonly fileCount: number; readonly fileBytes?: number; readonly quotaBytes?: number };

/** A journal in a browser of known size, that refuses what is beyond it, and the files a person chose. */
class Browser {
  readonly clock = new ManualClock();
  readonly journal: Journal;
  readonly keeper: Keeper;
  readonly files: Keepable[] = [];
  /** Names of the files that were to be copied together. */
  readonly steps: string[][] = [];
  /** The store has all of them. */
  readonly sentNames = new Set<string>();
  changeCount = 0;
  refusalCount = 0;
  /** Deleted, and still on the disk. */
  unfreedBytes = 0;
  quotaBytes: number;
  /** Undefined = the truth. */
  says: Room | null | undefined;
  resultOf: (name: string) => KeepResult | null = () => null;
  readonly #copiedBytes = new Map<string, number>();
  #copying: Promise<void> = Promise.resolve();

  static async with({ fileCount, fileBytes = KIB, quotaBytes = 10 ** 12 }: BrowserFacts): Promise<Browser> {
    const journal = await openJournal("7", { onClosed: () => {} });
    if (journal === null) throw new Error("no journal");
    const browser = new Browser(journal, quotaBytes);
    for (let index = 0; index < fileCount; index += 1) {
      browser.files.push({ key: browser.key(index), file: new Blob([new Uint8Array(fileBytes)]) });
    }
    await journal.remember(browser.files.map(({ key, file }, order) => recordOf(key, order, file.size)));
    return browser;
  }

  private constructor(journal: Journal, quotaBytes: number) {
    this.journal = journal;
    this.quotaBytes = quotaBytes;
    this.keeper = new Keeper({
      clock: this.clock,
      journal: {
        keepBytes: (files) => this.#keepBytes(files),
        dropBytes: (keys) => this.#dropBytes(keys),
      },
      room: () => Promise.resolve(this.says === undefined ? this.#room() : this.says),
      onChanged: () => {
        this.changeCount += 1;
      },
    });
  }

  get names(): readonly string[] {
    return this.files.map((_, index) => this.name(index));
  }

  name(index: number): string {
    return `f${String(index).padStart(4, "0")}`;
  }

  key(index: number): FileKey {
    return { galleryId: GALLERY_ID, clientId: this.name(index) };
  }

  file(index: number): Blob {
    return this.files[index]?.file ?? new Blob();
  }

  enlarge(index: number, fileBytes: number): void {
    this.files[index] = { key: this.key(index), file: new Blob([new Uint8Array(fileBytes)]) };
  }

  addAll(): void {
    for (const { key, file } of this.files) this.#add(key, file);
  }

  add(index: number, file = this.file(index)): void {
    this.#add(this.key(index), file);
  }

  #add(key: FileKey, file: Blob): void {
    this.keeper.add(key, file, () => !this.sentNames.has(key.clientId));
  }

  keptCount(): number {
    return this.files.filter(({ key }) => this.keeper.isKept(key)).length;
  }

  async copiedNames(): Promise<readonly string[]> {
    const all = await this.journal.readAll();
    return all?.files.filter((record) => all.kept.has(record)).map(({ clientId }) => clientId) ?? [];
  }

  /** Copies begin and do not end before the answer is called. */
  holdCopies(): () => void {
    let release = (): void => {};
    this.#copying = new Promise((resolve) => {
      release = resolve;
    });
    return () => release();
  }

  async until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
    for (let round = 0; round < 2_000; round += 1) {
      if (await isTrue()) return;
      await this.rounds(1);
    }
    throw new Error("it never came");
  }

  /** Long enough for everything that is going to happen. */
  async quiet(): Promise<void> {
    for (let span = 0; span < 20; span += 1) {
      await this.rounds(20);
      this.clock.advance(1_000);
    }
  }

  /** Lets promises and the database go on; time passes only where a pause of no length is waited for. */
  async rounds(count: number): Promise<void> {
    for (let round = 0; round < count; round += 1) {
      this.clock.advance(0);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #room(): Room {
    return { quotaBytes: this.quotaBytes, usageBytes: this.#usageBytes() };
  }

  #usageBytes(): number {
    return this.unfreedBytes + [...this.#copiedBytes.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  async #keepBytes(files: readonly Keepable[]): Promise<readonly KeepResult[]> {
    this.steps.push(files.map(({ key }) => key.clientId));
    await this.#copying;
    const results: KeepResult[] = [];
    for (const file of files) results.push(await this.#keep(file));
    return results;
  }

  async #keep({ key, file }: Keepable): Promise<KeepResult> {
    const wish = this.resultOf(key.clientId);
    if (wish !== null) return wish;
    if (this.#usageBytes() + file.size > this.quotaBytes) {
      this.refusalCount += 1;
      return "full";
    }
    const [result = "failed"] = await this.journal.keepBytes([{ key, file }]);
    if (result === "kept") this.#copiedBytes.set(key.clientId, file.size);
    return result;
  }

  async #dropBytes(keys: readonly FileKey[]): Promise<boolean> {
    const isDone = await this.journal.dropBytes(keys);
    for (const { clientId } of keys) this.#copiedBytes.delete(clientId);
    return isDone;
  }
}

function recordOf(key: FileKey, order: number, sizeBytes: number): FileRecord {
  return {
    ...key,
    order,
    name: `${key.clientId}.jpg`,
    relativePath: `${key.clientId}.jpg`,
    sizeBytes,
    lastModifiedMs: 0,
    type: null,
    uploadId: null,
    rootId: null,
    allowsDuplicate: false,
    end: null,
  };
}
