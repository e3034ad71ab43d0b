import { expect, test } from "vitest";
import { MIB } from "../kernel/units.ts";
import { type Look, nextSpeed, type Speed, standingStill } from "./speed.ts";

const LOOK_MS = 500;

/** What happened up to a moment, in milliseconds from the first byte that could move. */
type Course = (atMs: number) => {
  readonly movedBytes: number;
  readonly doneFiles?: number;
  readonly isRunning?: boolean;
};
type Told = { readonly atMs: number; readonly secondsLeft: number | null; readonly bytesPerS: number | null };

const IDLE = { doneFiles: 0, filesLeft: 0, confirmingFiles: 0, isRunning: true };

function live(course: Course, untilMs: number, lookOf: (atMs: number) => Partial<Look>): Told[] {
  const told: Told[] = [];
  let speed: Speed = standingStill(0);
  for (let atMs = LOOK_MS; atMs <= untilMs; atMs += LOOK_MS) {
    const seen = course(atMs);
    speed = nextSpeed(speed, { ...IDLE, bytesLeft: 0, ...seen, atMs, ...lookOf(atMs) });
    told.push({ atMs, secondsLeft: speed.secondsLeft, bytesPerS: speed.bytesPerS });
  }
  return told;
}

function upload(course: Course, totalBytes: number, untilMs: number): Told[] {
  return live(course, untilMs, (atMs) => ({ bytesLeft: totalBytes - course(atMs).movedBytes }));
}

/** The largest move from one telling to the next, as a share; the very end, where a second is much, left out. */
function largestMove(told: readonly Told[], endMs: number): number {
  const moves = told.slice(1).map(({ secondsLeft, atMs }, index) => {
    const before = told[index]?.secondsLeft ?? null;
    if (before === null || secondsLeft === null || atMs > endMs - 5_000) return 0;
    return Math.abs(secondsLeft - before) / before;
  });
  return Math.max(...moves);
}

function errorAtHalf(told: readonly Told[], endMs: number): number {
  const half = told.find(({ atMs }) => atMs >= endMs / 2);
  const trueS = (endMs - (half?.atMs ?? 0)) / 1000;
  return Math.abs((half?.secondsLeft ?? Number.POSITIVE_INFINITY) - trueS) / trueS;
}

/** Six parts of 8 MiB at a time end together, and nothing is told between. */
function inBursts(bytesPerS: number): Course {
  const burstBytes = 48 * MIB;
  return (atMs) => ({
    movedBytes: Math.floor(((atMs / 1000) * bytesPerS) / burstBytes) * burstBytes,
  });
}

const COURSES: Readonly<Record<string, { course: Course; bytes: number; endMs: number }>> = {
  "a constant rate": { course: (atMs) => ({ movedBytes: atMs * 1000 }), bytes: 60e6, endMs: 60_000 },
  "a short upload": { course: (atMs) => ({ movedBytes: atMs * 1000 }), bytes: 15e6, endMs: 15_000 },
  "an hour": { course: (atMs) => ({ movedBytes: atMs * 1000 }), bytes: 3600e6, endMs: 3_600_000 },
  "bursts of parts, one in two seconds": {
    course: inBursts(24 * MIB),
    bytes: 24 * 120 * MIB,
    endMs: 120_000,
  },
  "bursts of parts, one in seven seconds": {
    course: inBursts((48 / 7) * MIB),
    bytes: (48 / 7) * 210 * MIB,
    endMs: 210_000,
  },
  "small files": {
    course: (atMs) => ({ movedBytes: Math.floor(atMs / 37) * 2e6 }),
    bytes: Math.floor(40_000 / 37) * 2e6,
    endMs: 40_000,
  },
  "a rate that swings by a third": {
    course: (atMs) => ({ movedBytes: atMs * 1000 + 333_000 * Math.sin(atMs / 1000) }),
    bytes: 60e6,
    endMs: 60_000,
  },
};

test.each(Object.entries(COURSES))(
  "%s: the time left moves little, and is right at half of the way",
  (_, { course, bytes, endMs }) => {
    const told = upload(course, bytes, endMs);

    expect(largestMove(told, endMs)).toBeLessThanOrEqual(0.2);
    expect(errorAtHalf(told, endMs)).toBeLessThanOrEqual(0.2);
  },
);

test("nothing is told until something is known, and then at once nearly the truth", () => {
  const told = upload((atMs) => ({ movedBytes: Math.max(0, atMs - 4_000) * 1000 }), 56e6, 60_000);

  const first = told.find(({ secondsLeft }) => secondsLeft !== null);
  expect(first?.atMs).toBeGreaterThanOrEqual(7_000);
  expect(first?.atMs).toBeLessThanOrEqual(8_000);
  expect(first?.secondsLeft).toBeCloseTo(60 - (first?.atMs ?? 0) / 1000, 0);
});

test("nothing is told of a line on which nothing moves", () => {
  const told = upload(() => ({ movedBytes: 0 }), 1e6, 60_000);

  expect(told.every(({ secondsLeft, bytesPerS }) => secondsLeft === null && bytesPerS === null)).toBe(true);
});

test("ten seconds of standing still move it gently, and are forgotten", () => {
  const course: Course = (atMs) => ({
    movedBytes: (atMs - Math.min(10_000, Math.max(0, atMs - 30_000))) * 1000,
  });
  const told = upload(course, 110e6, 120_000);

  expect(largestMove(told, 120_000)).toBeLessThanOrEqual(0.2);
  const later = told.find(({ atMs }) => atMs === 90_000);
  expect(Math.abs((later?.secondsLeft ?? 0) - 30)).toBeLessThanOrEqual(6);
});

test("a line that stands for longer has no time left to tell", () => {
  const told = upload((atMs) => ({ movedBytes: Math.min(20_000, atMs) * 1000 }), 110e6, 60_000);

  expect(told.at(-1)).toMatchObject({ secondsLeft: null, bytesPerS: null });
});

test("a pause does not count: what is told goes on where it was", () => {
  const isPaused = (atMs: number) => atMs > 30_000 && atMs <= 630_000;
  const course: Course = (atMs) => ({
    movedBytes: (atMs <= 30_000 ? atMs : Math.max(30_000, atMs - 600_000)) * 1000,
    isRunning: !isPaused(atMs),
  });
  const told = upload(course, 60e6, 660_000);

  const [before, after] = [30_000, 631_000].map((ms) => told.find(({ atMs }) => atMs === ms));
  expect(before?.secondsLeft).toBeCloseTo(30, 0);
  expect(after?.secondsLeft).toBeCloseTo(29, 0);
  expect(after?.bytesPerS).toBeCloseTo(1e6, -4);
});

test("a new pace is known within half a minute", () => {
  const course: Course = (atMs) => ({ movedBytes: (atMs + 8 * Math.max(0, atMs - 20_000)) * 1000 });

  const told = upload(course, 1e9, 50_000);

  expect(told.at(-1)?.bytesPerS).toBeGreaterThan(8.5e6);
  expect(largestMove(told, 50_000)).toBeLessThanOrEqual(0.2);
});

/** 300 photos of 2 MB are sent within 30 s; the server takes 10 a second, or so many. */
function queued(filesPerS: number, untilMs: number): Told[] {
  const sent = (atMs: number) => Math.min(300, atMs / 100);
  const done = (atMs: number) => Math.min(Math.floor(sent(atMs)), Math.floor((atMs / 1000) * filesPerS));
  return live(
    (atMs) => ({ movedBytes: sent(atMs) * 2e6, doneFiles: done(atMs) }),
    untilMs,
    (atMs) => ({
      bytesLeft: (300 - sent(atMs)) * 2e6,
      filesLeft: 300 - done(atMs),
      confirmingFiles: Math.floor(sent(atMs)) - done(atMs),
    }),
  );
}

test("where the server is slower than the line, its queue is what is left", () => {
  const told = queued(3, 100_000);

  expect(largestMove(told, 100_000)).toBeLessThanOrEqual(0.2);
  expect(errorAtHalf(told, 100_000)).toBeLessThanOrEqual(0.2);
});

test("where the server keeps up, its queue adds nothing", () => {
  const told = queued(1000, 30_000);

  expect(errorAtHalf(told, 30_000)).toBeLessThanOrEqual(0.2);
});

test("all is sent and nothing is confirmed: nobody knows how long that takes", () => {
  const told = queued(0, 100_000);

  expect(told.at(-1)?.secondsLeft).toBeNull();
});

test("a look too soon after the last changes nothing", () => {
  const speed = nextSpeed(standingStill(0), { ...IDLE, atMs: 1000, movedBytes: 5, bytesLeft: 5 });

  expect(nextSpeed(speed, { ...IDLE, atMs: 1100, movedBytes: 6, bytesLeft: 4 })).toBe(speed);
});

test("files that are counted back do not turn the rate around", () => {
  const told = live(
    (atMs) => ({ movedBytes: 0, doneFiles: Math.floor(atMs / 100) - (atMs > 10_000 ? 50 : 0) }),
    20_000,
    (atMs) => ({ filesLeft: 300 - Math.floor(atMs / 100) }),
  );

  expect(told.at(-1)?.secondsLeft).toBeCloseTo(10, 0);
});
