import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { MAX_RESENDS } from "../domain/failure.ts";
import { INSPECTED_BYTES, MAX_BATCH_ITEMS } from "../domain/limits.ts";
import { MIB } from "../kernel/units.ts";
import {
  BASE_URL,
  FakeFile,
  FakeWorld,
  type Fault,
  GALLERY_ID,
  type Json,
  photo,
  photos,
  STORE_URL,
} from "./fake-world.ts";
import type { GalleryTally } from "./port.ts";

// Minutes of the world's time and many megabytes of checksums: slow machines need more than five seconds.
vi.setConfig({ testTimeout: 60_000 });

function chosen(files: readonly FakeFile[]) {
  return files.map((file) => file.chosen());
}

function stateOf(world: FakeWorld, file: FakeFile): string | undefined {
  return world.rowViews().find((row) => row.name === file.name)?.state;
}

function reasonsOf(world: FakeWorld, file: FakeFile): readonly string[] | undefined {
  return world.rowViews().find((row) => row.name === file.name)?.reasons;
}

/** The first `count` requests meet the fault, the others nothing. */
function first(
  count: number,
  fault: Fault,
  isMeant: (address: string) => boolean,
): (address: string) => Fault {
  let left = count;
  return (address) => {
    if (!isMeant(address) || left === 0) return "none";
    left -= 1;
    return fault;
  };
}

function attemptsOf(world: FakeWorld, file: FakeFile): number {
  return world.rowNamed(file.name)?.attempt ?? 0;
}

test("chosen photos are stored byte for byte and confirmed", async () => {
  const world = new FakeWorld();
  const files = photos(3);

  world.add(chosen(files));
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ outcome: "all", percent: 100, doneCount: 3, failedCount: 0 });
  for (const file of files) expect(world.hasStored(file)).toBe(true);
});

test("every photo is read once for its checksum, whatever its size, and sent from where it lies", async () => {
  const world = new FakeWorld();
  const small = photo(1, 300_000);
  const large = photo(2, 20 * MIB + 5);

  world.add(chosen([small, large]));
  await world.untilComplete();

  expect(small.readBytes).toBe(small.size + 64 * 1024);
  expect(large.readBytes).toBe(large.size + 64 * 1024);
  expect([small.takenBytes, large.takenBytes]).toEqual([small.size, large.size]);
  expect(world.hasStored(large)).toBe(true);
});

test("what could not be sent from where it lies is read again, and sent as it was read", async () => {
  const world = new FakeWorld();
  const file = photo(1, 300_000);
  world.onPut = first(1, "lost", () => true);

  world.add(chosen([file]));
  await world.untilComplete();

  expect(file.takenBytes).toBe(file.size);
  expect(file.readBytes).toBe(2 * file.size + 64 * 1024);
  expect(world.hasStored(file)).toBe(true);
});

test("a card that is pulled between the reading of a photo and its sending is waited for", async () => {
  const world = new FakeWorld();
  const file = photo(1, 300_000);
  file.beforeTaken = () => {
    file.isGone = true;
  };
  world.add(chosen([file]));
  await world.until(() => reasonsOf(world, file)?.[0] === "file_needed");

  file.isGone = false;
  file.beforeTaken = () => {};
  world.add(chosen([file]));
  await world.untilComplete();

  expect(world.hasStored(file)).toBe(true);
});

test("other bytes in the place of those whose checksum was signed do not pass", async () => {
  const world = new FakeWorld();
  const file = photo(1, 300_000);
  file.beforeTaken = () => {
    file.content.fill(0, 1000, 2000);
  };

  world.add(chosen([file]));
  await world.untilComplete();

  expect(world.hasStored(file)).toBe(false);
  expect(world.tally()).toMatchObject({ failedCount: 1, doneCount: 0 });
});

test.each([
  [8 * MIB - 1, 1],
  [8 * MIB, 1],
  [8 * MIB + 1, 2],
])("a photo of %i bytes goes up in %i requests", async (byteCount, requestCount) => {
  const world = new FakeWorld();

  world.add(chosen([photo(1, byteCount)]));
  await world.untilComplete();

  expect(world.puts).toHaveLength(requestCount);
});

test("a large photo is completed with the checksum of the whole", async () => {
  const world = new FakeWorld();
  const large = photo(2, 20 * MIB + 5);

  world.add(chosen([large]));
  const tally = await world.untilComplete();

  const [completion] = world.callsTo("/complete");
  expect(completion?.uploads).toEqual([
    { id: world.rowNamed(large.name)?.id, crc32: expect.stringMatching(/^[0-9a-f]{8}$/) },
  ]);
  expect(tally.outcome).toBe("all");
});

test("a thousand photos take few calls, and never more requests or memory than agreed", async () => {
  const world = new FakeWorld();

  world.add(chosen(photos(1000)));
  await world.untilComplete();

  expect(world.puts).toHaveLength(1000);
  expect(world.callsTo("/batch").length).toBeLessThanOrEqual(1000 / MAX_BATCH_ITEMS + 3);
  expect(world.callsTo("/sign").length).toBeLessThanOrEqual(1000 / 4);
  expect(world.callsTo("/complete").length).toBeLessThanOrEqual(100);
  expect(world.maxInFlight[STORE_URL]).toBe(6);
  expect(world.maxInFlight[BASE_URL]).toBeLessThanOrEqual(4);
});

test("where the store is the page's own origin, four bodies are in flight and no call waits for them", async () => {
  const world = new FakeWorld({ storeUrl: BASE_URL });

  world.add(chosen(photos(100)));
  const tally = await world.untilComplete();

  expect(tally.doneCount).toBe(100);
  expect(world.peakBodyCount).toBe(4);
  expect(world.maxInFlight[BASE_URL]).toBe(5);
});

test("hundreds of photos take few calls of the server", async () => {
  const world = new FakeWorld();

  world.add(chosen(photos(300)));
  await world.untilComplete();

  expect(world.callsTo("/batch").length).toBeLessThanOrEqual(7);
  expect(world.callsTo("/sign").length).toBeLessThanOrEqual(30);
  expect(world.callsTo("/complete").length).toBeLessThanOrEqual(6);
});

test("large photos together hold no more than the slots in memory", async () => {
  const world = new FakeWorld();

  world.add(chosen([photo(1, 40 * MIB), photo(2, 40 * MIB)]));
  await world.untilComplete();

  expect(world.peakBufferedBytes).toBeLessThanOrEqual(6 * 8 * MIB);
  expect(world.maxInFlight[STORE_URL]).toBe(6);
});

test("the first photos are on their way while the others are still being registered", async () => {
  const world = new FakeWorld();

  world.add(chosen(photos(1000)));
  await world.until(() => world.puts.length > 0);

  expect(world.rows.size).toBeLessThan(1000);
});

test("files that are no photos say all that is wrong and are sent nowhere", async () => {
  const world = new FakeWorld();
  const text = new FakeFile("notes.txt", new TextEncoder().encode("Hello there"));
  const empty = new FakeFile("empty.jpg", new Uint8Array());

  world.add(chosen([text, empty, photo(1)]));
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ outcome: "some", percent: 100, failedCount: 2, doneCount: 1 });
  expect(reasonsOf(world, text)).toEqual(["not_an_image"]);
  expect(reasonsOf(world, empty)).toEqual(["empty_file"]);
  expect(world.rows.size).toBe(1);
});

test("nothing but refused files ends with none", async () => {
  const world = new FakeWorld();

  world.add(chosen([new FakeFile("notes.txt", new TextEncoder().encode("Hello"))]));

  expect(await world.untilComplete()).toMatchObject({ outcome: "none", percent: 0 });
});

// Known files.

test("photos that are verified already are done at once, without a byte", async () => {
  const world = new FakeWorld();
  const files = photos(500);
  world.add(chosen(files));
  await world.untilComplete();
  const putsBefore = world.puts.length;
  const readBefore = files.map(({ readBytes }) => readBytes);

  world.startEngine();
  world.add(chosen(files));
  world.reports.length = 0;
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ outcome: "all", percent: 100, doneCount: 500, duplicateCount: 500 });
  expect(world.puts.length).toBe(putsBefore);
  const reads = files.map(({ readBytes }, index) => readBytes - (readBefore[index] ?? 0));
  expect(Math.max(...reads)).toBeLessThanOrEqual(INSPECTED_BYTES);
});

test("the same file picked twice is one file", async () => {
  const world = new FakeWorld();

  world.add([photo(1).chosen(), photo(1).chosen()]);
  world.add([photo(1).chosen()]);
  const tally = await world.untilComplete();

  expect(tally.chosenCount).toBe(1);
  expect(world.puts).toHaveLength(1);
});

test("a large photo begun before a reload sends only what is missing", async () => {
  const world = new FakeWorld();
  const large = photo(1, 40 * MIB);
  world.onPut = (url) => (/part=[45]/.test(url) ? "lost" : "none");
  world.add(chosen([large]));
  await world.until(() => world.puts.length === 3);
  world.engine = world.startEngine();
  world.onPut = () => "none";
  const again = photo(1, 40 * MIB);

  world.add(chosen([again]));
  await world.untilComplete();

  expect(again.readBytes).toBe(16 * MIB + 64 * 1024);
  expect(world.hasStored(large)).toBe(true);
});

test("where a store takes no parts, a large photo goes in chunks, one after the other", async () => {
  const world = new FakeWorld({ isResumable: true });
  const files = [photo(1, 20 * MIB), photo(2, 9 * MIB), photo(3)];

  world.add(chosen(files));
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ outcome: "all", percent: 100, doneCount: 3, failedCount: 0 });
  expect(world.puts.map(({ bytes }) => bytes).sort((one, other) => one - other)).toEqual([
    files[2]?.size,
    MIB,
    4 * MIB,
    8 * MIB,
    8 * MIB,
    8 * MIB,
  ]);
  for (const file of files) expect(world.hasStored(file)).toBe(true);
});

test("a chunk of which a part was lost goes on at the very byte", async () => {
  const world = new FakeWorld({ isResumable: true });
  const large = photo(1, 20 * MIB);
  let cutCount = 0;
  world.keepOfChunk = (bytes) => {
    cutCount += 1;
    return cutCount === 2 ? 3 * MIB : bytes;
  };

  world.add(chosen([large]));
  await world.untilComplete();

  expect(world.puts.map(({ bytes }) => bytes)).toEqual([8 * MIB, 8 * MIB, 5 * MIB, 4 * MIB]);
  expect(world.hasStored(large)).toBe(true);
});

test("one signature serves a whole session, as long as nothing fails", async () => {
  const world = new FakeWorld({ isResumable: true });
  const large = photo(1, 80 * MIB);

  world.add(chosen([large]));
  await world.untilComplete();

  expect(world.puts).toHaveLength(10);
  expect(world.callsTo("/sign")).toHaveLength(1);
  expect(world.hasStored(large)).toBe(true);
});

test("where one large photo went by a session, the next is read once", async () => {
  const world = new FakeWorld({ isResumable: true });
  world.add(chosen([photo(1, 20 * MIB)]));
  await world.untilComplete();
  const next = photo(2, 80 * MIB);

  world.add(chosen([next]));
  await world.until(() => world.tally().doneCount === 2);

  expect(next.readBytes).toBe(next.size + 64 * 1024);
});

test("a session is signed again after each failure, and before its signature is old", async () => {
  const world = new FakeWorld({ isResumable: true });
  const large = photo(1, 80 * MIB);
  let putCount = 0;
  world.onPut = () => {
    putCount += 1;
    if (putCount === 6) world.clock.advance(601_000);
    return putCount === 3 ? "lost" : "none";
  };

  world.add(chosen([large]));
  await world.untilComplete();

  const asked = world.callsTo("/sign").flatMap(({ uploads }) => uploads as Json[]);
  expect(asked.map(({ after_failure }) => after_failure === true)).toEqual([false, true, false]);
  expect(world.hasStored(large)).toBe(true);
});

test("a chunk whose answer was lost is not sent again", async () => {
  const world = new FakeWorld({ isResumable: true });
  const large = photo(1, 20 * MIB);
  world.onPut = first(2, "unheard", (url) => url.includes("/session"));

  world.add(chosen([large]));
  await world.untilComplete();

  expect(world.puts.map(({ bytes }) => bytes)).toEqual([8 * MIB, 8 * MIB, 4 * MIB]);
  expect(world.hasStored(large)).toBe(true);
});

test("a last chunk whose answer was lost ends the file all the same, and is not sent again", async () => {
  const world = new FakeWorld({ isResumable: true });
  const large = photo(1, 20 * MIB);
  world.onPut = () => (world.puts.length === 2 ? "unheard" : "none");

  world.add(chosen([large]));
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ outcome: "all", percent: 100 });
  expect(world.puts.map(({ bytes }) => bytes)).toEqual([8 * MIB, 8 * MIB, 4 * MIB]);
  expect(world.hasStored(large)).toBe(true);
});

test("a session that keeps nothing of a chunk is looked into, not fed for ever", async () => {
  const world = new FakeWorld({ isResumable: true });
  const large = photo(1, 20 * MIB);
  let keptNothing = 0;
  world.keepOfChunk = (bytes) => {
    keptNothing += 1;
    return keptNothing <= 3 ? 0 : bytes;
  };

  world.add(chosen([large]));
  await world.untilComplete();

  const asked = world.callsTo("/sign").flatMap(({ uploads }) => uploads as Json[]);
  expect(asked.some(({ after_failure }) => after_failure === true)).toBe(true);
  expect(world.puts).toHaveLength(3 + 3);
  expect(world.hasStored(large)).toBe(true);
});

test("a chunk on a dead socket goes on at the byte the session has, soon after the network is back", async () => {
  const world = new FakeWorld({ isResumable: true });
  const large = photo(1, 40 * MIB);
  world.add(chosen([large]));
  await world.until(() => world.puts.length === 2);
  world.isBlackHole = true;
  await world.pass(5_000);
  world.isBlackHole = false;

  world.goOnline();

  expect(await untilNextPut(world)).toBeLessThan(5_000);
  await world.untilComplete();
  expect(world.puts).toHaveLength(5);
  expect(world.hasStored(large)).toBe(true);
});

test("a session begun before a reload goes on where it stopped", async () => {
  const world = new FakeWorld({ isResumable: true });
  const large = photo(1, 40 * MIB);
  world.onPut = () => (world.puts.length >= 3 ? "lost" : "none");
  world.add(chosen([large]));
  await world.until(() => world.puts.length === 3);
  world.engine = world.startEngine();
  await world.pass(100); // what was on its way is lost
  world.onPut = () => "none";
  const again = photo(1, 40 * MIB);

  world.add(chosen([again]));
  await world.untilComplete();

  expect(again.readBytes).toBe(16 * MIB + 64 * 1024);
  expect(world.hasStored(large)).toBe(true);
});

test("a session that the store has forgotten is sent again from its first byte", async () => {
  const world = new FakeWorld({ isResumable: true });
  const large = photo(1, 40 * MIB);
  world.onPut = (url) => {
    if (world.puts.length === 3 && url.includes("/session")) world.loseSession(large);
    return "none";
  };

  world.add(chosen([large]));
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ outcome: "all", failedCount: 0 });
  expect(world.hasStored(large)).toBe(true);
});

test("a session that fails again and again lets its file rest, and goes on by itself", async () => {
  const world = new FakeWorld({ isResumable: true });
  const large = photo(1, 20 * MIB);
  world.onPut = first(5, "server_error", (url) => url.includes("/session"));

  world.add(chosen([large]));
  await world.untilComplete();

  expect(world.hasStored(large)).toBe(true);
});

test("a small photo whose bytes arrived before a reload is not sent again", async () => {
  const world = new FakeWorld();
  world.onPut = () => "unheard";
  world.onCall = (path) => (path.endsWith("/sign") && world.puts.length > 0 ? "lost" : "none");
  world.add(chosen(photos(1)));
  await world.until(() => world.puts.length === 1);
  world.startEngine();
  world.onPut = () => "none";
  world.onCall = () => "none";

  world.add(chosen(photos(1)));
  await world.until(() => world.hasTally() && world.rowNamed("IMG_0000.JPG")?.state === "verified");

  expect(world.puts).toHaveLength(1);
});

test("an upload begun with another part size goes on with that size", async () => {
  const world = new FakeWorld();
  const large = photo(1, 20 * MIB);
  world.onCall = (path) => {
    const row = world.rowNamed(large.name);
    if (path.endsWith("/sign") && row !== null) row.partBytes = 6 * MIB;
    return "none";
  };

  world.add(chosen([large]));
  await world.untilComplete();

  expect(world.puts.map(({ bytes }) => bytes).sort((one, other) => one - other)).toEqual([
    2 * MIB,
    6 * MIB,
    6 * MIB,
    6 * MIB,
  ]);
  expect(world.hasStored(large)).toBe(true);
});

// Lost and failing requests.

test.each(["/batch", "/sign", "/complete"])(
  "a call to %s that is lost, or whose answer is, harms nothing",
  async (path) => {
    for (const fault of ["lost", "unheard", "busy", "too_many", "server_error"] as const) {
      const world = new FakeWorld();
      const files = [photo(1), photo(2, 9 * MIB)];
      world.onCall = first(2, fault, (called) => called.endsWith(path));

      world.add(chosen(files));
      const tally = await world.untilComplete();

      expect(tally.outcome).toBe("all");
      expect(world.rows.size).toBe(2);
      for (const file of files) expect(world.hasStored(file)).toBe(true);
    }
  },
);

test.each(["/batch", "/sign", "/complete"])(
  "after a call to %s that came too often, nothing is asked for as long as the server says",
  async (path) => {
    const world = new FakeWorld();
    const fail = first(1, "too_many", (called) => called.endsWith(path));
    const askedAtMs: number[] = [];
    let refusedAtMs = Number.POSITIVE_INFINITY;
    world.onCall = (called) => {
      askedAtMs.push(world.clock.nowMs());
      const fault = fail(called);
      if (fault !== "none") refusedAtMs = world.clock.nowMs();
      return fault;
    };

    world.add(chosen(photos(120)));
    const tally = await world.untilComplete();

    const waitedMs = askedAtMs.map((atMs) => atMs - refusedAtMs);
    // What was under way at that moment still arrives.
    expect(waitedMs.filter((ms) => ms > 20 && ms < 7_000)).toEqual([]);
    expect(waitedMs.some((ms) => ms >= 7_000)).toBe(true);
    expect(tally.outcome).toBe("all");
  },
);

test("a store that cannot take six at once is sent fewer, after the pause it asks for, and all arrives", async () => {
  const world = new FakeWorld();
  const refusedAtMs: number[] = [];
  const sentAtMs: number[] = [];
  world.onPut = () => {
    const nowMs = world.clock.nowMs();
    sentAtMs.push(nowMs);
    const inFlight = sentAtMs.filter((ms) => ms > nowMs - 50).length;
    if (nowMs > 20_000 || inFlight <= 2) return "none";
    refusedAtMs.push(nowMs);
    return "too_many";
  };

  world.add(chosen(photos(200)));
  const tally = await world.untilComplete();

  const pauses = refusedAtMs.flatMap((atMs) => sentAtMs.filter((ms) => ms > atMs + 50 && ms < atMs + 7000));
  expect(pauses).toEqual([]);
  expect(refusedAtMs.length).toBeGreaterThan(0);
  expect(refusedAtMs.length).toBeLessThan(30);
  expect(tally).toMatchObject({ outcome: "all", failedCount: 0 });
});

test("a dead network slows nothing down afterwards", async () => {
  const world = new FakeWorld();
  world.onPut = first(6, "lost", () => true);

  world.add(chosen(photos(100)));
  await world.untilComplete();

  expect(world.maxInFlight[STORE_URL]).toBe(6);
  expect(world.clock.nowMs()).toBeLessThan(5_000);
});

test("a storage request that fails is signed again, never repeated", async () => {
  const world = new FakeWorld();
  const tried: string[] = [];
  const fail = first(1, "forbidden", () => true);
  world.onPut = (url) => {
    tried.push(url);
    return fail(url);
  };

  world.add(chosen(photos(1)));
  await world.untilComplete();

  expect(tried).toHaveLength(2);
  expect(world.callsTo("/sign").flatMap((body) => body.uploads)).toMatchObject([{}, { after_failure: true }]);
});

test("bytes that arrived although their answer was lost are sent once", async () => {
  const world = new FakeWorld();
  world.onPut = first(2, "unheard", () => true);
  const files = [photo(1), photo(2, 20 * MIB)];

  world.add(chosen(files));
  await world.untilComplete();

  expect(world.puts).toHaveLength(4);
  for (const file of files) expect(world.hasStored(file)).toBe(true);
});

test("a store that is down lets a file rest, and the file goes on by itself", async () => {
  const world = new FakeWorld();
  world.onPut = () => (world.clock.nowMs() < 120_000 ? "server_error" : "none");

  world.add(chosen([photo(1), photo(2, 20 * MIB)]));
  const tally = await world.untilComplete();

  expect(tally.outcome).toBe("all");
  expect(world.callsTo("/sign").length).toBeLessThan(80);
});

test("a part that the store keeps refusing costs no part that is on its way", async () => {
  const world = new FakeWorld();
  const large = photo(1, 112 * MIB);
  world.onPut = first(2, "server_error", (url) => /part=1&/.test(url));

  world.add(chosen([large]));
  await world.untilComplete();

  expect(world.abortedPutCount).toBe(0);
  expect(world.puts).toHaveLength(14);
  expect(world.hasStored(large)).toBe(true);
});

test("a store that stays down is left to a person, who can try again", async () => {
  const world = new FakeWorld();
  world.onPut = () => "server_error";
  world.add(chosen(photos(1)));
  const tally = await world.untilComplete();
  expect(tally).toMatchObject({
    outcome: "none",
    problems: [{ code: "storage_unavailable", count: 1, retryable: true, names: ["IMG_0000.JPG"] }],
  });
  expect(world.clock.nowMs()).toBeGreaterThan(5 * 60_000);
  world.onPut = () => "none";

  world.send({ type: "retry", galleryId: GALLERY_ID });
  await world.until(() => world.tally().outcome === "all");

  expect(world.tally().percent).toBe(100);
});

test("one file that cannot be stored holds up no other", async () => {
  const world = new FakeWorld();
  const files = photos(50);
  world.onPut = (url) => (url.includes("000000000001&") ? "server_error" : "none");

  world.add(chosen(files));
  await world.until(() => world.hasTally() && world.tally().doneCount === 49);

  expect(world.clock.nowMs()).toBeLessThan(30_000);
});

test("a call that fails for one file's sake ends that file, not the others", async () => {
  const world = new FakeWorld();
  world.onCall = (path) =>
    path.endsWith("/batch") && world.callsTo("/batch").length < 8 ? "server_error" : "none";
  world.add(chosen(photos(1)));
  await world.until(() => world.hasTally() && world.tally().failedCount === 1);

  world.add([photo(7).chosen()]);
  await world.until(() => world.tally().doneCount === 1);

  expect(world.tally().problems).toMatchObject([{ code: "server_error", retryable: true }]);
});

test("a URL that waited for longer than it lives is signed anew instead of tried", async () => {
  const world = new FakeWorld();
  const refused: string[] = [];
  world.onPut = (url) => {
    if (world.clock.nowMs() > Number(new URL(url).searchParams.get("until"))) refused.push(url);
    return "none";
  };
  world.add(chosen(photos(30)));
  await world.until(() => world.puts.length > 3);
  world.clock.advance(1_000_000);

  const tally = await world.untilComplete();

  expect(tally.outcome).toBe("all");
  expect(refused.length).toBeLessThanOrEqual(6); // those that were in flight when time stood still
});

test("a token that is out of date is fetched once more", async () => {
  const world = new FakeWorld();
  world.add(chosen(photos(1)));
  await world.until(() => world.rows.size > 0);
  world.csrfToken = "token-2";

  const tally = await world.untilComplete();

  expect(tally.outcome).toBe("all");
  expect(world.callsTo("/session")).toHaveLength(2);
});

// The network away.

test("no network: files wait, nothing is asked, and all goes on by itself", async () => {
  const world = new FakeWorld();
  const files = [photo(1, 8 * MIB), photo(2, 40 * MIB), ...photos(40).slice(3)];
  world.add(chosen(files));
  await world.until(() => world.puts.length > 2);

  world.goOffline();
  await world.pass(60_000);
  const callsBefore = world.calls.length;
  const waiting = world.tally();
  const sentBefore = world.rowViews().map((row) => row.sentBytes);
  await world.pass(600_000);

  expect(waiting).toMatchObject({ waitingFor: "connection", failedCount: 0, phase: "publishing" });
  expect(waiting.files.waiting).toBeGreaterThan(0);
  expect(waiting.files.uploading + waiting.files.signing + waiting.files.queued).toBe(0);
  expect(world.calls.length).toBe(callsBefore);

  world.goOnline();
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ outcome: "all", waitingFor: null });
  for (const [index, row] of world.rowViews().entries()) {
    expect(row.sentBytes).toBeGreaterThanOrEqual(sentBefore[index] ?? 0);
  }
  for (const file of files) expect(world.hasStored(file)).toBe(true);
});

test("a network that claims to be there and is not is asked less and less often", async () => {
  const world = new FakeWorld();
  let isAway = false;
  world.onCall = () => (isAway ? "lost" : "none");
  world.onPut = () => (isAway ? "lost" : "none");
  world.add(chosen(photos(40)));
  await world.until(() => world.puts.length > 2);

  isAway = true;
  await world.pass(10_000);
  const callsBefore = world.calls.length;
  await world.pass(600_000);
  const askedCount = world.calls.length - callsBefore;
  isAway = false;
  const tally = await world.untilComplete();

  expect(askedCount).toBeLessThan(60);
  expect(tally.outcome).toBe("all");
});

/** Milliseconds of the world's time until the next byte arrives at the store. */
async function untilNextPut(world: FakeWorld): Promise<number> {
  const [sinceMs, before] = [world.clock.nowMs(), world.puts.length];
  await world.until(() => world.puts.length > before);
  return world.clock.nowMs() - sinceMs;
}

test("online again, the first byte leaves within five seconds, though every socket before is dead", async () => {
  const world = new FakeWorld();
  const files = [photo(1, 112 * MIB), ...photos(30).slice(2)];
  world.add(chosen(files));
  await world.until(() => world.puts.length > 2);
  world.isBlackHole = true;
  await world.pass(3_000);
  world.goOffline();
  await world.pass(20_000);
  world.isBlackHole = false;

  world.goOnline();

  expect(await untilNextPut(world)).toBeLessThan(5_000);
  expect(await world.untilComplete()).toMatchObject({ outcome: "all", failedCount: 0 });
  for (const file of files) expect(world.hasStored(file)).toBe(true);
});

test.each([
  [20_000, 5_000],
  [60_000, 5_000],
  [300_000, 40_000],
])(
  "a network that swallows everything for %i ms and never says so: the next byte leaves within %i ms",
  async (awayMs, withinMs) => {
    const world = new FakeWorld();
    world.add(chosen([photo(1, 112 * MIB), ...photos(30).slice(2)]));
    await world.until(() => world.puts.length > 2);
    world.isBlackHole = true;
    await world.pass(awayMs);

    world.isBlackHole = false;

    expect(await untilNextPut(world)).toBeLessThan(withinMs);
    expect(await world.untilComplete()).toMatchObject({ outcome: "all", failedCount: 0 });
  },
);

test("woken from sleep, what was on its way is sent again at once", async () => {
  const world = new FakeWorld();
  world.add(chosen([photo(1, 112 * MIB), ...photos(30).slice(2)]));
  await world.until(() => world.puts.length > 2);
  world.isBlackHole = true;
  await world.pass(1_000);
  world.clock.sleep(3_600_000);
  world.isBlackHole = false;

  expect(await untilNextPut(world)).toBeLessThan(5_000);
  expect(await world.untilComplete()).toMatchObject({ outcome: "all", failedCount: 0 });
});

test("signatures that a sleep has outlived are made anew, not tried", async () => {
  const world = new FakeWorld();
  const puts: string[] = [];
  world.onPut = (url) => {
    puts.push(url);
    return "none";
  };
  world.add(chosen(photos(60)));
  await world.until(() => puts.length > 3);
  world.isBlackHole = true;
  await world.pass(1_000);
  const signedBefore = world.clock.nowMs() + 900_000;
  puts.length = 0;
  world.clock.sleep(3_600_000);
  world.isBlackHole = false;

  await world.untilComplete();

  expect(puts.filter((url) => Number(new URL(url).searchParams.get("until")) <= signedBefore)).toEqual([]);
});

test("a store that answers slowly is not taken for a dead network", async () => {
  const world = new FakeWorld();
  world.add(chosen([photo(1, 112 * MIB)]));
  await world.until(() => world.puts.length > 2);
  world.onPutMs = 25_000;

  await world.untilComplete();

  expect(world.abortedPutCount).toBe(0);
});

test("one call that is lost interrupts no body on its way", async () => {
  const world = new FakeWorld();
  world.onCall = first(1, "lost", (path) => path.endsWith("/complete"));

  world.add(chosen([...photos(60), photo(70, 112 * MIB)]));
  await world.untilComplete();

  expect(world.abortedPutCount).toBe(0);
});

test("files chosen while there is no network wait for it", async () => {
  const world = new FakeWorld();
  world.goOffline();
  world.add(chosen([photo(1)]));
  await world.pass(5000);

  expect(stateOf(world, photo(1))).toBe("waiting");
  expect(reasonsOf(world, photo(1))).toEqual(["offline"]);

  world.goOnline();
  expect((await world.untilComplete()).outcome).toBe("all");
});

test("what the socket confirms while the calls are cut off ends the gallery as ever", async () => {
  const world = new FakeWorld();
  world.hasWorker = false;
  world.add(chosen(photos(3)));
  await world.until(() => world.puts.length === 3);
  await world.pass(2000);
  world.onCall = () => "lost";
  await world.until(() => world.tally().waitingFor === "connection");

  world.hasWorker = true;
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ outcome: "all", percent: 100 });
});

test("signed out: files wait, and go on after signing in", async () => {
  const world = new FakeWorld();
  world.add(chosen(photos(30)));
  await world.until(() => world.puts.length > 2);
  world.userId = null;
  await world.pass(10_000);
  expect(world.tally()).toMatchObject({ waitingFor: "sign_in", failedCount: 0 });

  world.userId = "owner";
  world.send({ type: "retry_session" });

  expect((await world.untilComplete()).outcome).toBe("all");
});

test("signed in as somebody else, nothing is sent in their name", async () => {
  const world = new FakeWorld();
  world.add(chosen(photos(30)));
  await world.until(() => world.puts.length > 2);
  world.userId = null;
  await world.pass(10_000);
  world.userId = "stranger";
  const callsBefore = world.callsTo("/sign").length;

  world.send({ type: "retry_session" });
  await world.pass(120_000);

  expect(world.tally().waitingFor).toBe("sign_in");
  expect(world.callsTo("/sign").length).toBe(callsBefore);
});

/** Somebody else has signed in here; what is not theirs they do not find. */
function signInStranger(world: FakeWorld): void {
  world.userId = "stranger";
  world.csrfToken = "token-of-stranger";
  world.onCall = (path) =>
    world.userId === "stranger" && path.startsWith("/api/galleries/") ? "forbidden" : "none";
}

test.each([true, false])(
  "somebody else signs in meanwhile: nothing goes on in their name, nothing fails (socket: %s)",
  async (hasSocket) => {
    const world = new FakeWorld({ hasSocket });
    world.hasWorker = false;
    world.add(chosen(photos(60)));
    await world.until(() => world.puts.length > 8);

    signInStranger(world);
    const unsigned = (): number =>
      [...world.rows.values()].filter(({ state }) => state === "registered").length;
    const unsignedBefore = unsigned();
    await world.pass(120_000);

    expect(world.tally()).toMatchObject({ waitingFor: "sign_in", failedCount: 0 });
    expect(unsigned()).toBe(unsignedBefore);
    world.userId = "owner";
    world.hasWorker = true;
    world.send({ type: "retry_session" });
    expect((await world.untilComplete()).outcome).toBe("all");
  },
);

test("an engine that begins while somebody else is signed in waits for its owner", async () => {
  const world = new FakeWorld();
  signInStranger(world);
  world.startEngine({ userId: "owner" });
  world.add(chosen(photos(3)));
  await world.pass(60_000);
  expect(world.tally()).toMatchObject({ waitingFor: "sign_in", failedCount: 0 });
  expect(world.callsTo("/batch")).toEqual([]);

  world.userId = "owner";
  world.send({ type: "retry_session" });

  expect((await world.untilComplete()).outcome).toBe("all");
});

// Verification.

test.each(["object_missing", "size_mismatch", "checksum_mismatch"])(
  "%s: sent again twice, then a person is asked",
  async (code) => {
    const world = new FakeWorld();
    const file = photo(1);
    world.verdict = () => code;
    world.add(chosen([file]));

    const tally = await world.untilComplete();

    expect(tally.problems).toMatchObject([{ code, retryable: true }]);
    expect(attemptsOf(world, file)).toBe(1 + MAX_RESENDS);
    expect(world.puts).toHaveLength(1 + MAX_RESENDS);
    world.verdict = () => null;
    world.send({ type: "retry", fileIds: [world.rowViews()[0]?.fileId ?? ""] });
    await world.until(() => world.tally().outcome === "all");
  },
);

test("a photo that cannot be developed fails with its reason and is not sent again", async () => {
  const world = new FakeWorld();
  world.verdict = (row) => (row.name === "IMG_0001.JPG" ? "damaged_photo" : null);

  world.add(chosen(photos(3)));
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ outcome: "some", percent: 100, doneCount: 2, failedCount: 1 });
  expect(tally.problems).toMatchObject([{ code: "damaged_photo", names: ["IMG_0001.JPG"] }]);
  expect(world.puts).toHaveLength(3);
});

test("every byte stored is 99 percent while the worker is away", async () => {
  const world = new FakeWorld();
  world.hasWorker = false;
  world.add(chosen(photos(5)));
  await world.until(() => world.puts.length === 5);
  await world.pass(60_000);

  expect(world.tally()).toMatchObject({ percent: 99, phase: "publishing", files: { confirming: 5 } });

  world.hasWorker = true;
  expect(await world.untilComplete()).toMatchObject({ percent: 100, outcome: "all" });
});

test("a duplicate counts as done, names the photo that is there, and can be kept all the same", async () => {
  const world = new FakeWorld();
  world.refusal = (file) =>
    file.allow_duplicate === true
      ? null
      : { code: "duplicate", message: "", retryable: false, details: { photo_id: "photo-7" } };
  world.add(chosen(photos(1)));
  const tally = await world.untilComplete();
  const [row] = world.rowViews();
  expect(tally).toMatchObject({ outcome: "all", doneCount: 1, duplicateCount: 1 });
  expect(row).toMatchObject({ state: "done", reasons: ["duplicate"], photoId: "photo-7" });

  world.send({ type: "keep_both", fileIds: [row?.fileId ?? ""] });
  await world.until(() => world.rowViews()[0]?.state === "done");

  expect(world.rowViews()[0]).toMatchObject({ state: "done", reasons: [] });
});

test("a full gallery refuses the rest, each with its reason", async () => {
  const world = new FakeWorld();
  world.refusal = () =>
    world.rows.size < 3 ? null : { code: "gallery_full", message: "", retryable: false };

  world.add(chosen(photos(5)));
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ doneCount: 3, failedCount: 2, outcome: "some" });
  expect(tally.problems).toMatchObject([{ code: "gallery_full", count: 2, retryable: false }]);
});

// Socket and list.

test("where no socket gets through, the snapshot is asked for", async () => {
  const world = new FakeWorld({ hasSocket: false });

  world.add(chosen(photos(20)));
  const tally = await world.untilComplete();

  expect(tally.outcome).toBe("all");
  expect(world.callsTo("/progress").length).toBeGreaterThan(0);
  expect(world.clock.nowMs()).toBeLessThan(10_000);
});

test("a socket that loses every message only takes longer", async () => {
  const world = new FakeWorld();
  world.passSocket = (message) => (message.type === "uploads" ? [] : [message]);

  world.add(chosen(photos(20)));

  expect((await world.untilComplete()).outcome).toBe("all");
});

test("what an old message says of a newer attempt is not believed", async () => {
  const world = new FakeWorld();
  const held: Json[] = [];
  world.verdict = (row) => (row.attempt === 1 ? "checksum_mismatch" : null);
  world.passSocket = (message) => {
    if (message.type === "uploads") held.push(message);
    return [message];
  };
  world.add(chosen(photos(1)));
  await world.until(() => world.puts.length === 2);

  for (const message of held.slice()) world.broadcast(message);

  expect((await world.untilComplete()).outcome).toBe("all");
  expect(world.puts).toHaveLength(2);
});

test("progress is told at most twice a second, and never more than the store has acknowledged", async () => {
  const world = new FakeWorld();
  const large = photo(1, 24 * MIB);
  world.add(chosen([large]));
  await world.untilComplete();

  const messages = world.callsTo("socket");
  expect(messages.length).toBeGreaterThan(0);
  expect(messages.length).toBeLessThanOrEqual(2 + (world.clock.nowMs() / 1000) * 2);
  for (const message of messages) {
    const [report] = message.uploads as [string, number, number][];
    expect(report?.[1]).toBe((report?.[2] ?? 0) * 8 * MIB);
  }
});

test("the page sees what the socket of the gallery on screen says", async () => {
  const world = new FakeWorld();

  world.send({ type: "watch", galleryId: GALLERY_ID });
  await world.pass(1000);
  world.broadcast({ type: "photos", previous: 1, version: 2, photos: [] });

  expect(world.reports.filter(({ type }) => type === "live")).toMatchObject([
    { message: { type: "snapshot", version: 1 } },
    { message: { type: "photos", version: 2 } },
  ]);
});

test("the socket is closed when nothing is left to hear", async () => {
  const world = new FakeWorld();
  world.add(chosen(photos(1)));
  await world.until(() => world.sockets.length === 1);

  await world.untilComplete();

  expect(world.sockets).toHaveLength(0);
});

// The person.

test("removing a file stops it within a tenth of a second and cancels it on the server", async () => {
  const world = new FakeWorld();
  const large = photo(1, 40 * MIB);
  world.add(chosen([large]));
  await world.until(() => world.puts.length > 1);
  const putsBefore = world.puts.length;

  world.send({ type: "remove", fileIds: [world.rowViews()[0]?.fileId ?? ""] });
  await world.pass(100);

  expect(world.puts.length).toBe(putsBefore);
  expect(world.rowNamed(large.name)?.state).toBe("cancelled");
  await world.pass(250);
  expect(world.tally()).toMatchObject({ removedCount: 1, phase: "form" });
  expect(world.rowViews()).toEqual([]);
});

test("removing a file aborts its bodies at that very moment, and no other file's", async () => {
  const world = new FakeWorld();
  world.onPutMs = 5_000;
  world.add(chosen([photo(1, 24 * MIB), photo(2, 24 * MIB)]));
  await world.until(() => world.peakBodyCount === 6);
  const [row] = world.rowViews();

  world.send({ type: "remove", fileIds: [row?.fileId ?? ""] });
  await world.turn();

  expect(world.abortedPutCount).toBe(3);
  await world.until(() => world.tally().doneCount === 1);
  expect(world.abortedPutCount).toBe(3);
});

test("a removed file that is picked again is uploaded", async () => {
  const world = new FakeWorld();
  const file = photo(1, 40 * MIB);
  world.add(chosen([file]));
  await world.until(() => world.puts.length > 1);

  world.send({ type: "remove", galleryId: GALLERY_ID });
  world.add(chosen([file]));
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ outcome: "all", chosenCount: 1, removedCount: 0 });
  expect(world.hasStored(file)).toBe(true);
  expect(attemptsOf(world, file)).toBe(2);
});

test("a file removed while it is being registered is cancelled all the same", async () => {
  const world = new FakeWorld();
  world.add(chosen(photos(1)));
  await world.until(
    () => world.callsTo("/batch").length === 0 && world.hasTally() && world.tally().files.queued === 1,
  );

  world.send({ type: "cancel", galleryId: GALLERY_ID });
  await world.pass(2000);

  expect([...world.rows.values()].every((row) => row.state === "cancelled")).toBe(true);
  expect(world.puts).toHaveLength(0);
});

test("a removal that the server fails to hear is said again until it hears", async () => {
  const world = new FakeWorld();
  world.add(chosen([photo(1, 112 * MIB)]));
  await world.until(() => world.puts.length > 1);
  world.onCall = first(14, "server_error", (path) => path.endsWith("/cancel"));

  world.send({ type: "remove", galleryId: GALLERY_ID });
  await world.until(() => world.rowNamed("IMG_0001.JPG")?.state === "cancelled");

  expect(world.callsTo("/cancel").length).toBe(15);
});

test("a removal that was not heard yet does not undo that the file was picked again", async () => {
  const world = new FakeWorld();
  const file = photo(1, 40 * MIB);
  world.add(chosen([file]));
  await world.until(() => world.puts.length > 1);
  world.onCall = first(8, "server_error", (path) => path.endsWith("/cancel"));
  world.send({ type: "remove", galleryId: GALLERY_ID });
  await world.until(() => world.callsTo("/cancel").length === 7);

  world.add(chosen([file]));
  const tally = await world.untilComplete();
  await world.pass(120_000);

  expect(tally).toMatchObject({ outcome: "all", chosenCount: 1, removedCount: 0 });
  expect(world.rowNamed(file.name)?.state).toBe("verified");
});

test("a photo that was verified before its removal arrived is told as done", async () => {
  const world = new FakeWorld();
  world.passSocket = () => [];
  world.add(chosen(photos(1)));
  await world.until(() => world.rowNamed("IMG_0000.JPG")?.state === "verified");

  world.send({ type: "remove", galleryId: GALLERY_ID });
  await world.pass(1000);

  expect(world.tally()).toMatchObject({ doneCount: 1, removedCount: 0, outcome: "all" });
});

test("cancelling stops the rest and keeps what is done", async () => {
  const world = new FakeWorld();
  world.add(chosen(photos(200)));
  await world.until(() => world.hasTally() && world.tally().doneCount > 10);

  world.send({ type: "cancel", galleryId: GALLERY_ID });
  await world.pass(5000);

  const tally = world.tally();
  expect(tally.doneCount + tally.removedCount).toBe(200);
  expect(tally).toMatchObject({ phase: "complete", outcome: "all", percent: 100 });
  const open = [...world.rows.values()].filter(
    (row) => row.state !== "verified" && row.state !== "cancelled",
  );
  expect(open).toEqual([]);
});

test("pausing stops the bytes, resuming sends only what is missing", async () => {
  const world = new FakeWorld();
  const files = [photo(1, 80 * MIB), ...photos(20).slice(2)];
  world.add(chosen(files));
  await world.until(() => world.puts.length > 5);

  world.send({ type: "pause", galleryId: GALLERY_ID });
  await world.pass(1000);
  const putsBefore = world.puts.length;
  const percentBefore = world.tally().percent;
  await world.pass(600_000);
  expect(world.puts.length).toBe(putsBefore);
  expect(world.tally()).toMatchObject({ paused: true, phase: "publishing" });

  world.send({ type: "resume", galleryId: GALLERY_ID });
  await world.until(() => world.puts.length > putsBefore);
  expect(world.tally().percent).toBeGreaterThanOrEqual(percentBefore);
  const tally = await world.untilComplete();

  expect(tally).toMatchObject({ outcome: "all", paused: false });
  const pieces = world.puts.map(({ url }) => url.replace(/&crc.*/, ""));
  expect(new Set(pieces).size).toBe(pieces.length);
});

test("files added to a paused gallery wait with the others", async () => {
  const world = new FakeWorld();
  world.add(chosen(photos(1)));
  world.send({ type: "pause" });

  world.add([photo(2).chosen()]);
  await world.pass(5000);

  expect(world.tally().files.paused).toBe(2);
  world.send({ type: "resume" });
  expect((await world.untilComplete()).doneCount).toBe(2);
});

test("what verification refuses while the gallery is paused rests, and is sent again at Resume", async () => {
  const world = new FakeWorld();
  const file = photo(1);
  world.hasWorker = false;
  world.verdict = (row) => (row.attempt === 1 ? "object_missing" : null);
  world.add(chosen([file]));
  await world.until(() => world.rowNamed(file.name)?.state === "uploaded");
  world.send({ type: "pause", galleryId: GALLERY_ID });

  world.hasWorker = true;
  await world.pass(60_000);

  expect(world.puts).toHaveLength(1);
  expect(stateOf(world, file)).toBe("paused");
  world.send({ type: "resume", galleryId: GALLERY_ID });
  expect(await world.untilComplete()).toMatchObject({ outcome: "all" });
  expect(world.puts).toHaveLength(2);
});

test("in a paused gallery one file may go on alone", async () => {
  const world = new FakeWorld();
  world.add(chosen(photos(3)));
  world.send({ type: "pause" });
  await world.pass(1000);
  const [row] = world.rowViews();

  world.send({ type: "resume", fileIds: [row?.fileId ?? ""] });
  await world.until(() => world.tally().doneCount === 1);

  expect(world.tally()).toMatchObject({ files: { paused: 2 }, paused: true });
});

test("one paused file lets the others pass", async () => {
  const world = new FakeWorld();
  world.add(chosen(photos(3)));
  await world.turn();
  const [row] = world.rowViews();

  world.send({ type: "pause", fileIds: [row?.fileId ?? ""] });
  await world.until(() => world.hasTally() && world.tally().doneCount === 2);

  expect(world.tally()).toMatchObject({ files: { paused: 1 }, paused: false, phase: "publishing" });
});

test("a card that was pulled makes its files wait for it, the others go on", async () => {
  const world = new FakeWorld();
  const [one, other] = [photo(1), photo(2)];
  one.isGone = true;
  world.add(chosen([one, other]));
  await world.until(() => world.hasTally() && world.tally().doneCount === 1);
  expect(reasonsOf(world, one)).toEqual(["file_needed"]);

  one.isGone = false;
  world.add(chosen([one]));

  expect(await world.untilComplete()).toMatchObject({ outcome: "all", chosenCount: 2 });
});

test("a gallery that is deleted meanwhile ends its files with that reason", async () => {
  const world = new FakeWorld();
  world.onCall = (path) => (path.endsWith("/sign") ? "forbidden" : "none");

  world.add(chosen(photos(3)));
  const tally = await world.untilComplete();

  expect(tally.problems).toMatchObject([{ code: "forbidden", count: 3, retryable: false }]);
});

// The gallery.

test("a gallery publishes from its first sent file until none is left, and again for files added later", async () => {
  const world = new FakeWorld();
  const phases: string[] = [];
  const note = () => {
    const last = world.hasTally() ? world.tally().phase : "form";
    if (phases.at(-1) !== last) phases.push(last);
  };
  world.add(chosen(photos(5)));
  await world.until(() => {
    note();
    return world.hasTally() && world.tally().phase === "complete";
  });

  world.add([photo(9).chosen()]);
  await world.until(() => {
    note();
    return world.tally().doneCount === 6 && world.tally().phase === "complete";
  });

  expect(phases).toEqual(["form", "publishing", "complete", "publishing", "complete"]);
});

test("without auto_publish the gallery stays a form until its publication says otherwise", async () => {
  const world = new FakeWorld();
  world.autoPublish = false;
  world.add(chosen(photos(2)));
  await world.until(() => world.hasTally() && world.tally().doneCount === 2);
  expect(world.tally().phase).toBe("form");

  world.send({ type: "watch", galleryId: GALLERY_ID });
  await world.pass(1000);
  const publication = (state: string, version: number) => ({
    type: "publication",
    previous: world.galleryVersion,
    version: world.galleryVersion + version,
    publication: { id: "p", state, version },
  });
  world.broadcast(publication("in_progress", 1));
  await world.pass(1000);
  expect(world.tally().phase).toBe("publishing");
  world.broadcast(publication("all_succeeded", 2));
  await world.pass(1000);

  expect(world.tally()).toMatchObject({ phase: "complete", outcome: "all" });
});

test("five thousand files: the first rows come at once, and never more than the window", async () => {
  const world = new FakeWorld();
  world.send({ type: "rows", galleryId: GALLERY_ID, fromIndex: 0, count: 30 });
  const files = photos(5000, 16);

  world.add(chosen(files));
  await world.pass(0);

  const rows = world.reports.filter((report) => report.type === "rows").at(-1);
  expect(rows).toMatchObject({ rowCount: 5000, fromIndex: 0 });
  expect(rows?.rows).toHaveLength(30);
});

test("reports come at most four times a second", async () => {
  const world = new FakeWorld();

  world.add(chosen(photos(300)));
  await world.untilComplete();

  const tallies = world.reports.filter(({ type }) => type === "tally");
  expect(tallies.length).toBeLessThanOrEqual(2 + (world.clock.nowMs() / 1000) * 4);
});

test("at a constant rate the time left runs down steadily and is right at half of the way", async () => {
  const world = new FakeWorld();
  world.onPutMs = 2_000;
  world.add(chosen([photo(1, 400 * MIB)]));
  await world.untilComplete();
  const endMs = world.clock.nowMs();

  const told = world.secondsLeftTold;

  const half = told.find(({ atMs }) => atMs >= endMs / 2);
  const trueS = (endMs - (half?.atMs ?? 0)) / 1000;
  expect(half?.secondsLeft).toBeGreaterThan(trueS * 0.8);
  expect(half?.secondsLeft).toBeLessThan(trueS * 1.2);
  const steady = told.filter(({ atMs }) => atMs < endMs - 5_000);
  const moves = steady.slice(1).map(({ secondsLeft }, index) => {
    const before = steady[index]?.secondsLeft ?? secondsLeft;
    return Math.abs(secondsLeft - before) / before;
  });
  expect(Math.max(...moves)).toBeLessThanOrEqual(0.2);
});

test("while paused there is no time left to tell", async () => {
  const world = new FakeWorld();
  world.onPutMs = 2_000;
  world.add(chosen([photo(1, 400 * MIB)]));
  await world.until(() => world.hasTally() && world.tally().secondsLeft !== null);

  world.send({ type: "pause" });
  await world.pass(1_000);

  expect(world.tally()).toMatchObject({ secondsLeft: null, bytesPerS: null });
});

test("the flight record tells what went wrong and names no address, no token and no file", async () => {
  const world = new FakeWorld();
  world.onPut = first(4, "too_many", () => true);
  world.verdict = (row) => (row.name === "IMG_0002.JPG" ? "damaged_photo" : null);
  world.add(chosen(photos(20)));
  await world.until(() => world.puts.length > 3);
  world.goOffline();
  await world.pass(5_000);
  world.goOnline();
  await world.untilComplete();

  world.send({ type: "flight_record" });

  const last = world.reports.at(-1);
  const text = last?.type === "flight_record" ? last.text : "";
  for (const word of ["throttled", "offline", "online", "reconnected", "failed", "minute", "damaged_photo"]) {
    expect(text).toContain(`"${word}"`);
  }
  expect(text).not.toMatch(/https?:|crc=|token|IMG_|\/put/);
});

test("two galleries at once have one sum", async () => {
  const world = new FakeWorld();
  const other = "22222222-2222-4222-8222-222222222222";
  world.add(chosen(photos(3)));
  world.add([photo(8).chosen()], other);

  await world.untilComplete();
  await world.untilComplete(other);

  const last = world.reports.filter((report) => report.type === "tally").at(-1);
  expect(last?.total).toMatchObject({
    chosenCount: 4,
    doneCount: 4,
    percent: 100,
    phase: "complete",
    outcome: "all",
  });
});

// Everything at once.

function checkTally(tally: GalleryTally): void {
  const { files } = tally;
  const open =
    files.inspecting +
    files.queued +
    files.signing +
    files.uploading +
    files.confirming +
    files.waiting +
    files.paused;
  expect(tally.doneCount + tally.failedCount + tally.removedCount + open).toBe(tally.chosenCount);
  expect(tally.percent === 100).toBe(open === 0 && tally.doneCount > 0);
}

const TROUBLED_MS = 600_000;

/** Ten minutes in which three of ten requests, half of the messages and some verifications go wrong. */
function troubledWorld(roll: () => number): FakeWorld {
  const world = new FakeWorld({ random: roll });
  const faults: readonly Fault[] = ["lost", "unheard", "server_error", "busy", "forbidden"];
  const isCalm = (): boolean => world.clock.nowMs() > TROUBLED_MS;
  const pick = (known: readonly Fault[]): Fault =>
    isCalm() || roll() > 0.3 ? "none" : (known[Math.floor(roll() * known.length)] ?? "none");
  world.onCall = () => pick(faults.slice(0, 4));
  world.onPut = () => pick(faults);
  world.passSocket = (message) => (isCalm() ? [message] : scrambled(message, roll()));
  world.verdict = () => (!isCalm() && roll() < 0.05 ? "object_missing" : null);
  return world;
}

function scrambled(message: Json, roll: number): readonly Json[] {
  if (roll < 0.3) return [];
  return roll < 0.5 ? [message, message] : [message];
}

async function liveThrough(world: FakeWorld, roll: () => number): Promise<void> {
  while (world.clock.nowMs() < TROUBLED_MS) {
    await world.pass(roll() * 20_000);
    if (roll() < 0.2) world.dropAllSockets();
    if (!world.isOnline) world.goOnline();
    else if (roll() < 0.1) world.goOffline();
  }
  world.goOnline();
}

test("whatever is lost, late, doubled or refused for ten minutes, every photo arrives whole", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const roll = diceOf(seed);
      const world = troubledWorld(roll);
      const files = [...photos(12), photo(20, 17 * MIB)];

      world.add(chosen(files));
      await liveThrough(world, roll);
      await world.untilComplete();
      world.send({ type: "retry" });
      await world.until(() => world.tally().outcome === "all");

      for (const report of world.reports) if (report.type === "tally") report.galleries.forEach(checkTally);
      for (const file of files) expect(world.hasStored(file)).toBe(true);
      expect(world.rows.size).toBe(files.length);
    }),
    { numRuns: 8 },
  );
});

/** mulberry32: the same seed, the same ten minutes. */
function diceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
