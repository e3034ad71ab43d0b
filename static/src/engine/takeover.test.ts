import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, test, vi } from "vitest";
import { openJournal } from "../io/journal.ts";
import { FakeBrowser, type FakeTab } from "./fake-tabs.ts";
import { FakeWorld, GALLERY_ID, type Life, photoBytes } from "./fake-world.ts";
import { Memory } from "./memory.ts";
import type { ChosenFile } from "./port.ts";

vi.setConfig({ testTimeout: 30_000 });

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

const FILE_COUNT = 12;
/** Requests that a store takes at once from one engine; those of a dead one may have arrived unheard. */
const IN_FLIGHT = 6;

function chosen(seed: number): ChosenFile {
  const name = `photo-${seed}.jpg`;
  const file = new File([photoBytes(50_000, seed) as BlobPart], name, { lastModified: 1_760_000_000_000 });
  return { file, relativePath: name };
}

function memoriesOf(world: FakeWorld): (life: Life) => Memory {
  return (life) =>
    new Memory({
      clock: world.clock,
      open: async (onClosed) => {
        const journal = await openJournal("7", { onClosed });
        return life.isOver ? null : journal;
      },
      room: () => Promise.resolve(null),
    });
}

/** Three tabs of one browser with one journal; the first leads. */
async function threeTabs(): Promise<{ world: FakeWorld; tabs: [FakeTab, FakeTab, FakeTab] }> {
  const world = new FakeWorld();
  const browser = new FakeBrowser(world, { openMemory: memoriesOf(world) });
  const leader = browser.openTab();
  await world.pass(10);
  const tabs: [FakeTab, FakeTab, FakeTab] = [leader, browser.openTab(), browser.openTab()];
  await world.pass(10);
  return { world, tabs };
}

function cancelledNames(world: FakeWorld): string[] {
  return [...world.rows.values()].filter(({ state }) => state === "cancelled").map(({ name }) => name);
}

test.each(Array.from({ length: 24 }, (_, index) => [25 * index, 25 * ((index * 7) % 24)]))(
  "a leader that dies after %i ms, and its heir %i ms later, lose, double and bring back nothing",
  async (firstMs, secondMs) => {
    const { world, tabs } = await threeTabs();
    const [leader, heir, last] = tabs;
    const files = Array.from({ length: FILE_COUNT }, (_, seed) => chosen(seed));
    heir.send({ type: "add", galleryId: GALLERY_ID, title: "Wedding", files: files.slice(0, 6) });
    leader.send({ type: "add", galleryId: GALLERY_ID, title: "Wedding", files: files.slice(6) });
    leader.send({ type: "rows", galleryId: GALLERY_ID, fromIndex: 0, count: 50 });
    await world.until(() => leader.rows().length === FILE_COUNT);
    last.send({ type: "remove", fileIds: [leader.rows()[FILE_COUNT - 1]?.fileId ?? ""] });

    await world.pass(firstMs);
    const cancelledFirst = cancelledNames(world);
    leader.die();
    await world.pass(secondMs);
    const cancelled = [...new Set([...cancelledFirst, ...cancelledNames(world)])];
    heir.die();
    // The journal is read in real time: the world's must not run ahead of it.
    for (let step = 0; step < 40; step += 1) await world.pass(50);
    await world.until(() => last.tally(GALLERY_ID)?.phase === "complete");

    const states = new Map([...world.rows.values()].map(({ name, state }) => [name, state]));
    const verified = [...states.values()].filter((state) => state === "verified").length;
    expect(verified).toBeGreaterThanOrEqual(FILE_COUNT - 1);
    expect(world.rows.size).toBeLessThanOrEqual(FILE_COUNT);
    expect(cancelled.map((name) => states.get(name))).toEqual(cancelled.map(() => "cancelled"));
    expect(world.puts.length).toBeLessThanOrEqual(FILE_COUNT + 2 * IN_FLIGHT);
    expect(last.tally(GALLERY_ID)).toMatchObject({ doneCount: verified, percent: 100 });
  },
);
