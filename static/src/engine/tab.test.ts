import { expect, test } from "vitest";
import { ACCOUNT_ID, FakeBrowser, type FakeTab } from "./fake-tabs.ts";
import { type FakeFile, FakeWorld, GALLERY_ID, photos } from "./fake-world.ts";
import type { PageRequest } from "./tab-words.ts";

type TwoTabs = { world: FakeWorld; browser: FakeBrowser; leader: FakeTab; mirror: FakeTab };

async function twoTabs(): Promise<TwoTabs> {
  const world = new FakeWorld();
  const browser = new FakeBrowser(world);
  const leader = browser.openTab();
  await world.turn();
  const mirror = browser.openTab();
  await world.turn();
  return { world, browser, leader, mirror };
}

function adding(files: readonly FakeFile[]): PageRequest {
  const chosen = files.map((file) => file.chosen());
  return { type: "add", galleryId: GALLERY_ID, title: "Wedding", files: chosen };
}

function isComplete(tab: FakeTab): boolean {
  return tab.tally(GALLERY_ID)?.phase === "complete";
}

/** Requests that a store takes at once from one engine; those of a dead one may have arrived unheard. */
const IN_FLIGHT = 6;

const SHELF = { type: "rows", galleryId: GALLERY_ID, view: "shelf", fromIndex: 0, count: 50 } as const;

test("both tabs tell the same sums, and only the second says that it mirrors", async () => {
  const { world, leader, mirror } = await twoTabs();

  leader.send(adding(photos(5)));
  await world.until(() => isComplete(leader) && isComplete(mirror));

  expect(mirror.tally(GALLERY_ID)).toEqual(leader.tally(GALLERY_ID));
  expect([leader.isMirror(), mirror.isMirror()]).toEqual([false, true]);
});

test("photos chosen in the second tab are sent by the first, each once", async () => {
  const { world, leader, mirror } = await twoTabs();

  mirror.send(adding(photos(20)));
  await world.until(() => isComplete(leader) && isComplete(mirror));

  expect(mirror.tally(GALLERY_ID)?.doneCount).toBe(20);
  expect(world.puts).toHaveLength(20);
});

test("a tab opened in the middle is told at once how it stands", async () => {
  const { world, browser, leader } = await twoTabs();
  leader.send(adding(photos(5)));
  await world.until(() => isComplete(leader));

  const third = browser.openTab();
  await world.turn();

  expect(third.tally(GALLERY_ID)).toMatchObject({ doneCount: 5, phase: "complete" });
});

test("rows, files and live messages go to the tab that shows them", async () => {
  const { world, leader, mirror } = await twoTabs();
  mirror.send(SHELF);
  mirror.send({ type: "watch", galleryId: GALLERY_ID });

  leader.send(adding(photos(3)));
  await world.until(() => isComplete(mirror));

  const files = mirror.told("rows").flatMap(({ rows }) => rows.filter(({ file }) => file !== null));
  expect(files).toHaveLength(3);
  expect(mirror.told("live").length).toBeGreaterThan(0);
  expect(leader.told("rows")).toEqual([]);
  expect(leader.told("live")).toEqual([]);
});

test("what the second tab asks is done by the first", async () => {
  const { world, leader, mirror } = await twoTabs();
  leader.send(adding(photos(5)));
  await world.until(() => leader.tally(GALLERY_ID) !== null);

  mirror.send({ type: "pause" });
  await world.until(() => leader.tally(GALLERY_ID)?.paused === true);
  mirror.send({ type: "resume" });
  await world.until(() => isComplete(leader));

  expect(leader.tally(GALLERY_ID)?.doneCount).toBe(5);
});

test("when the leading tab dies, the other goes on with its own photos and sends none twice", async () => {
  const { world, leader, mirror } = await twoTabs();
  mirror.send(adding(photos(30)));
  await world.until(() => world.puts.length >= 10);

  leader.die();
  await world.until(() => isComplete(mirror));

  expect(mirror.tally(GALLERY_ID)?.doneCount).toBe(30);
  expect(mirror.isMirror()).toBe(false);
  expect(world.puts.length).toBeLessThanOrEqual(30 + IN_FLIGHT);
  expect(world.rows.size).toBe(30);
});

test("photos chosen in the tab that died go on as well", async () => {
  const { world, leader, mirror } = await twoTabs();
  leader.send(adding(photos(30)));
  await world.until(() => world.puts.length >= 10);

  leader.die();
  await world.until(() => isComplete(mirror));

  expect(mirror.tally(GALLERY_ID)?.doneCount).toBe(30);
  expect(world.rows.size).toBe(30);
});

test("a tab opened after the photos were chosen can go on with them too", async () => {
  const { world, browser, leader, mirror } = await twoTabs();
  mirror.die();
  leader.send(adding(photos(30)));
  await world.until(() => world.puts.length >= 10);
  const late = browser.openTab();
  await world.pass(10);

  leader.die();
  await world.until(() => isComplete(late));

  expect(late.tally(GALLERY_ID)?.doneCount).toBeGreaterThan(0);
  expect([...world.rows.values()].every(({ state }) => state === "verified")).toBe(true);
  expect(world.rows.size).toBe(30);
});

test("what a third tab chose just before the leader died reaches the next one", async () => {
  const { world, browser, leader, mirror } = await twoTabs();
  const third = browser.openTab();
  await world.turn();
  third.send(adding(photos(250)));
  await world.turn();
  expect(browser.said).toContain("taken");
  expect(browser.said).not.toContain("hold");

  leader.die();
  await world.until(() => isComplete(mirror) && mirror.tally(GALLERY_ID)?.doneCount === 250);

  expect(world.rows.size).toBe(250);
});

test("many files are handed on a few at a time, and only to who does not hold them", async () => {
  const { world, browser, leader, mirror } = await twoTabs();
  world.isOnline = false;
  leader.send(adding(photos(250)));
  mirror.send(adding(photos(300).slice(250)));
  await world.pass(10);
  const first = browser.said.filter((type) => type === "hold").length;
  await world.pass(5_000);

  expect(first).toBe(1);
  expect(browser.said.filter((type) => type === "hold")).toHaveLength(3);
});

test("what was removed does not come back with the next leader", async () => {
  const { world, leader, mirror } = await twoTabs();
  world.hasWorker = false;
  leader.send(adding(photos(4)));
  await world.until(() => leader.tally(GALLERY_ID)?.files.confirming === 4);
  leader.send({ type: "cancel" });
  await world.until(() => [...world.rows.values()].every(({ state }) => state === "cancelled"));
  await world.until(() => leader.tally(GALLERY_ID)?.removedCount === 4);
  await world.turn();

  leader.die();
  world.hasWorker = true;
  await world.pass(60_000);

  expect([...world.rows.values()].map(({ state }) => state)).toEqual(Array(4).fill("cancelled"));
  expect(mirror.isMirror()).toBe(false);
});

test("what was asked while nobody led is done by the next leader, once and in order", async () => {
  const { world, browser, leader, mirror } = await twoTabs();
  browser.lost = new Set(["deed"]); // as if the leader had died before it heard
  mirror.send(SHELF);
  mirror.send(adding(photos(6)));
  mirror.send({ type: "pause" });
  browser.lost = new Set();

  leader.die();
  await world.until(() => mirror.tally(GALLERY_ID)?.paused === true);
  expect(mirror.rows()).toHaveLength(6);
  mirror.send({ type: "resume" });
  await world.until(() => isComplete(mirror));

  expect(world.puts).toHaveLength(6);
});

test("what was asked while nobody led is meant for the photos that the heir holds, too", async () => {
  const { world, browser, leader, mirror } = await twoTabs();
  mirror.send(adding(photos(30)));
  await world.until(() => world.puts.length >= 4);
  browser.lost = new Set(["deed"]); // as if the leader had died before it heard
  mirror.send({ type: "pause" });
  browser.lost = new Set();

  leader.die();
  await world.pass(60_000);

  expect(mirror.tally(GALLERY_ID)).toMatchObject({ paused: true, chosenCount: 30 });
  expect([...world.rows.values()].some(({ state }) => state !== "verified")).toBe(true);
});

test("a third tab follows the new leader, sees what it saw and is heard", async () => {
  const { world, browser, leader, mirror } = await twoTabs();
  const third = browser.openTab();
  await world.turn();
  third.send(SHELF);
  third.send(adding(photos(30)));
  await world.until(() => world.puts.length >= 10);

  leader.die();
  await world.until(() => mirror.isMirror() === false);
  third.reports.length = 0;
  third.send({ type: "pause" });
  await world.until(() => third.tally(GALLERY_ID)?.paused === true);
  expect(third.told("rows").length).toBeGreaterThan(0);
  third.send({ type: "resume" });
  await world.until(() => isComplete(third));

  expect(third.isMirror()).toBe(true);
  expect(world.rows.size).toBe(30);
  expect([...world.rows.values()].every(({ state }) => state === "verified")).toBe(true);
});

test("a deed told twice is done once", async () => {
  const { world, browser, leader, mirror } = await twoTabs();
  browser.lost = new Set(["taken"]);
  mirror.send(adding(photos(3)));
  await world.until(() => isComplete(leader));
  mirror.send({ type: "remove" });
  await world.turn();
  leader.send({ type: "pause" });
  await world.until(() => leader.tally(GALLERY_ID)?.paused === true);
  browser.lost = new Set();

  browser
    .channelsOf({ isOver: false })(`safelight-uploads:${ACCOUNT_ID}`, () => {})
    .say({ type: "lead" });
  await world.pass(1000);

  expect(leader.tally(GALLERY_ID)).toMatchObject({ paused: true, doneCount: 3 });
  expect(browser.said.filter((type) => type === "taken")).toHaveLength(2);
});

test("a tab that is closed is forgotten: nothing more is said to it", async () => {
  const { world, browser, leader, mirror } = await twoTabs();
  mirror.send({ type: "watch", galleryId: GALLERY_ID });
  await world.pass(100);
  expect(world.sockets).toHaveLength(1);

  mirror.die();
  await world.turn();
  browser.said.length = 0;
  expect(world.sockets).toHaveLength(0);
  leader.send(adding(photos(3)));
  await world.until(() => isComplete(leader));

  expect(browser.said).toEqual([]);
});

test("signing out in one tab stops all, and none of them goes on", async () => {
  const { world, leader, mirror } = await twoTabs();
  leader.send(adding(photos(30)));
  await world.until(() => world.puts.length >= 5);

  mirror.send({ type: "sign_out" });
  await world.until(() => [leader, mirror].every((tab) => tab.told("signed_out").length === 1));
  const sentBefore = world.puts.length;
  leader.die();
  await world.pass(60_000);

  expect(world.puts).toHaveLength(sentBefore);
});

test("accounts do not see each other's uploads", async () => {
  const world = new FakeWorld();
  const browser = new FakeBrowser(world);
  const mine = browser.openTab("7");
  const theirs = [browser.openTab("8"), browser.openTab("8")];
  await world.turn();

  mine.send(adding(photos(3)));
  await world.until(() => isComplete(mine));

  const told = theirs.flatMap((tab) => tab.told("tally").flatMap(({ galleries }) => galleries));
  expect(told).toEqual([]);
});

test("where nobody is signed in, a tab answers and is on its own", async () => {
  const world = new FakeWorld();
  const browser = new FakeBrowser(world);
  const tab = browser.openTab(null);

  tab.send({ type: "watch", galleryId: GALLERY_ID });
  tab.send(SHELF);
  await world.turn();

  expect(tab.told("rows")).toHaveLength(1);
  expect(browser.said).toEqual([]);
});

test("without locks every tab uploads what was chosen in it", async () => {
  const world = new FakeWorld();
  const browser = new FakeBrowser(world, { hasLocks: false });
  const [one, two] = [browser.openTab(), browser.openTab()];
  await world.turn();

  one.send(adding(photos(3)));
  two.send(adding(photos(3)));
  await world.until(() => isComplete(one) && isComplete(two));

  expect([one.isMirror(), two.isMirror()]).toEqual([false, false]);
  expect(browser.said).toEqual([]);
});
