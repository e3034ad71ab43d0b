import { expect, test } from "vitest";
import { ManualClock } from "../kernel/clock.ts";
import { MIB } from "../kernel/units.ts";
import { FakeFile, FakeWorld, GALLERY_ID, photo, photoBytes, photos } from "./fake-world.ts";
import type { EngineReport, GalleryTally, RowView } from "./port.ts";
import { Reporter, type ViewerId } from "./reporter.ts";

const OTHER_GALLERY = "22222222-2222-4222-8222-222222222222";

type Told = { readonly report: EngineReport; readonly to: ViewerId | undefined };

function worldWithViewers(): { world: FakeWorld; told: Told[] } {
  const told: Told[] = [];
  const world = new FakeWorld();
  world.onReport = (report, to) => told.push({ report, to });
  return { world, told };
}

function toldTo(told: readonly Told[], viewerId: ViewerId, type: EngineReport["type"]): EngineReport[] {
  return told.filter((one) => one.to === viewerId && one.report.type === type).map(({ report }) => report);
}

const window = (count: number, view: "list" | "shelf" = "list") =>
  ({ type: "rows", galleryId: GALLERY_ID, fromIndex: 0, count, view }) as const;

test("each viewer is told the rows of its own window, and sums go to all", async () => {
  const { world, told } = worldWithViewers();
  world.engine.handle(window(2), "one");
  world.engine.handle(window(3), "two");

  world.add(photos(5).map((file) => file.chosen()));
  await world.untilComplete();

  expect(toldTo(told, "one", "rows").at(-1)).toMatchObject({ rowCount: 5, rows: { length: 2 } });
  expect(toldTo(told, "two", "rows").at(-1)).toMatchObject({ rowCount: 5, rows: { length: 3 } });
  expect(told.filter(({ report }) => report.type === "tally").every(({ to }) => to === undefined)).toBe(true);
});

test("a closed view is told nothing more, and one's closing does not close another's", async () => {
  const { world, told } = worldWithViewers();
  world.engine.handle(window(2), "one");
  world.engine.handle(window(2), "two");
  world.engine.handle(window(0), "one");
  const before = toldTo(told, "one", "rows").length;

  world.add(photos(2).map((file) => file.chosen()));
  await world.untilComplete();

  expect(toldTo(told, "one", "rows")).toHaveLength(before);
  expect(toldTo(told, "two", "rows").length).toBeGreaterThan(1);
});

test("a file is handed once to each viewer, whatever its views", async () => {
  const { world, told } = worldWithViewers();
  for (const viewerId of ["one", "two"]) {
    world.engine.handle(window(9, "shelf"), viewerId);
    world.engine.handle(window(9, "list"), viewerId);
  }

  world.add(photos(3).map((file) => file.chosen()));
  await world.untilComplete();

  for (const viewerId of ["one", "two"]) {
    const rows = toldTo(told, viewerId, "rows").flatMap((report) =>
      report.type === "rows" ? report.rows : [],
    );
    expect(rows.filter((row) => row.file !== null)).toHaveLength(3);
  }
});

test("no file is handed with rows that nobody can see", async () => {
  const { world, told } = worldWithViewers();
  world.add(photos(3).map((file) => file.chosen()));
  await world.turn();

  world.engine.handle(window(5_000), "one");

  const [report] = toldTo(told, "one", "rows");
  expect(report).toMatchObject({ rows: [{ file: null }, { file: null }, { file: null }] });
  await world.untilComplete();
});

test("live messages go to the viewers of their gallery; the socket stays open until the last has left", async () => {
  const { world, told } = worldWithViewers();
  world.engine.handle({ type: "watch", galleryId: GALLERY_ID }, "one");
  world.engine.handle({ type: "watch", galleryId: GALLERY_ID }, "two");
  world.engine.handle({ type: "watch", galleryId: OTHER_GALLERY }, "three");
  await world.pass(100);
  expect(world.sockets.map(({ url }) => url.includes(GALLERY_ID))).toEqual([true, false]);
  expect(toldTo(told, "one", "live")).toHaveLength(1);

  world.engine.handle({ type: "watch", galleryId: null }, "one");
  world.broadcast({ type: "photos", previous: 1, version: 2, photos: [] });
  expect(toldTo(told, "one", "live")).toHaveLength(1);
  expect(toldTo(told, "two", "live")).toHaveLength(2);

  world.engine.forget("two");
  expect(world.sockets.filter(({ url }) => url.includes(GALLERY_ID))).toHaveLength(0);
  expect(world.sockets).toHaveLength(1);
});

test("who is forgotten is told nothing more", async () => {
  const { world, told } = worldWithViewers();
  world.engine.handle(window(2), "one");
  world.engine.forget("one");
  const before = told.length;

  world.add(photos(2).map((file) => file.chosen()));
  await world.untilComplete();

  expect(told.slice(before).filter(({ to }) => to === "one")).toEqual([]);
});

function shotOf(): { readonly jpeg: FakeFile; readonly raw: FakeFile } {
  return {
    jpeg: new FakeFile("IMG_1.JPG", photoBytes(2000, 1)),
    raw: new FakeFile("IMG_1.CR3", photoBytes(20 * MIB, 2)),
  };
}

test("a RAW and its JPEG are one row, which is as far as the slower of the two", async () => {
  const { world, told } = worldWithViewers();
  const { jpeg, raw } = shotOf();
  const rows: RowView[] = [];
  world.onReport = (report, to) => {
    told.push({ report, to });
    if (report.type === "rows" && report.rows[0] !== undefined) rows.push(report.rows[0]);
  };
  world.engine.handle(window(9), "one");
  let refusedCount = 0;
  world.onPut = (url) => {
    const isRefused = /part=[23]/.test(url) && refusedCount < 9;
    refusedCount += isRefused ? 1 : 0;
    return isRefused ? "server_error" : "none";
  };

  world.add([jpeg.chosen("day/IMG_1.JPG"), raw.chosen("day/IMG_1.CR3"), photo(2).chosen("day/IMG_2.JPG")]);
  const tally = await world.untilComplete();

  expect(rows.at(-1)).toMatchObject({
    name: "IMG_1.JPG + CR3",
    sizeBytes: jpeg.size + raw.size,
    sentBytes: jpeg.size + raw.size,
    state: "done",
    parts: [{ name: "IMG_1.JPG" }, { name: "IMG_1.CR3" }],
  });
  expect(toldTo(told, "one", "rows").at(-1)).toMatchObject({ rowCount: 2, fileCount: 3 });
  expect(tally).toMatchObject({ chosenCount: 3, doneCount: 3 });
  const isApart = ({ parts = [] }: RowView): boolean => new Set(parts.map(({ state }) => state)).size > 1;
  expect(rows.some(isApart)).toBe(true);
  for (const row of rows) expect(row.state).toBe(slowest(row));
});

function slowest({ state, parts = [] }: RowView): string | undefined {
  const order = ["inspecting", "queued", "signing", "uploading", "confirming", "done"];
  return parts.length === 0 ? state : order.find((word) => parts.some((part) => part.state === word));
}

test("what is asked of a row is asked of its whole shot", async () => {
  const { world } = worldWithViewers();
  const { jpeg, raw } = shotOf();
  world.add([jpeg.chosen(), raw.chosen(), photo(2).chosen()]);
  await world.turn();
  world.engine.handle({ ...window(9), view: "list" }, "one");
  let fileId = "";
  world.onReport = (report) => {
    if (report.type === "rows") fileId ||= report.rows[0]?.fileId ?? "";
  };
  world.engine.handle(window(9), "one");

  world.engine.handle({ type: "remove", galleryId: GALLERY_ID, fileIds: [fileId] }, "one");
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ removedCount: 2, doneCount: 1 });
});

test("rows follow what is removed, also while another is chosen again", async () => {
  const { world, told } = worldWithViewers();
  const chosen = photos(3).map((file) => file.chosen());
  const namesTold = (): string[] => {
    const report = toldTo(told, "one", "rows").at(-1);
    return report?.type === "rows" ? report.rows.map(({ name }) => name) : [];
  };
  world.onPutMs = 60_000;
  world.engine.handle(window(9), "one");
  world.add(chosen);
  await world.pass(1_000);
  const [first, second, third] = namesTold();
  const [firstId = "", secondId = ""] = world.rowViews().map(({ fileId }) => fileId);

  world.engine.handle({ type: "remove", fileIds: [firstId] }, "one");
  await world.pass(1_000);
  expect(namesTold()).toEqual([second, third]);

  world.add(chosen.slice(0, 1));
  world.engine.handle({ type: "remove", fileIds: [secondId] }, "one");
  await world.pass(1_000);
  expect(namesTold()).toEqual([first, third]);
});

function lastTotal(world: FakeWorld): GalleryTally | null {
  const last = world.reports.filter((report) => report.type === "tally").at(-1);
  return last?.total ?? null;
}

test("the sum is of what was added since all had ended; a gallery that ended well before has its own line", async () => {
  const world = new FakeWorld();
  world.add(photos(3).map((file) => file.chosen()));
  await world.untilComplete();

  world.isBlackHole = true;
  world.add([photo(8).chosen()], OTHER_GALLERY);
  await world.pass(2_000);

  expect(lastTotal(world)).toMatchObject({ chosenCount: 1, doneCount: 0 });
  expect(world.reports.findLast((report) => report.type === "tally")?.galleries).toHaveLength(2);
});

test("a gallery that ends while another goes on stays in the sum, so that no number goes back", async () => {
  const world = new FakeWorld();
  world.onPutMs = 60_000;
  world.add(photos(3).map((file) => file.chosen()));
  await world.pass(1_000);
  world.onPutMs = 50;
  world.add([photo(8).chosen()], OTHER_GALLERY);

  await world.untilComplete(OTHER_GALLERY);

  expect(lastTotal(world)).toMatchObject({ chosenCount: 4, doneCount: 1 });
});

test("the sum is paused when all that is left is", async () => {
  const world = new FakeWorld();
  world.add(photos(3).map((file) => file.chosen()));
  world.onPutMs = 60_000;
  world.add([photo(8).chosen()], OTHER_GALLERY);
  world.send({ type: "pause", galleryId: OTHER_GALLERY });

  world.onPutMs = 50;
  await world.untilComplete();

  expect(lastTotal(world)).toMatchObject({ chosenCount: 4, doneCount: 3, paused: true });
});

test("numbers are told twice a second, and what a person did without that wait", () => {
  const clock = new ManualClock();
  const toldAtMs: number[] = [];
  const reporter = new Reporter({
    clock,
    galleries: new Map(),
    keptOf: () => "none",
    onBlank: () => {},
    waitingFor: () => null,
    report: () => toldAtMs.push(clock.nowMs()),
  });

  reporter.changed();
  clock.advance(10);
  reporter.changed();
  clock.advance(500);
  reporter.changed();
  clock.advance(300);
  reporter.hasNews();
  clock.advance(0);

  expect(toldAtMs).toEqual([0, 500, 810]);
});
