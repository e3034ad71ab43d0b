import { expect, test } from "vitest";
import { ManualClock } from "../kernel/clock.ts";
import { FlightRecord, MAX_LINES } from "./flight-record.ts";

const CLIENT_ID = "0123456789abcdef0123456789abcdef";
const SIGNED_URL = "https://store.test/originals/ab/1?X-Amz-Signature=5ec4e7&X-Amz-Credential=AKIA";

function linesOf(record: FlightRecord): Record<string, unknown>[] {
  return record
    .text()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("each line says when, what, and of which file", () => {
  const clock = new ManualClock();
  const record = new FlightRecord(clock);
  clock.advance(61_500);

  record.note("put_failed", { file: CLIENT_ID, part: 3, status: 503 });

  expect(linesOf(record)).toEqual([
    { lines: 1, dropped: 0 },
    { at: "2026-11-21T00:01:01.500Z", what: "put_failed", file: "01234567", part: 3, status: 503 },
  ]);
});

test("what goes well is one line a minute", () => {
  const clock = new ManualClock();
  const record = new FlightRecord(clock);

  for (let second = 0; second < 150; second += 1) {
    record.countPut(second % 10 !== 0);
    record.countBytes(1000);
    clock.advance(1000);
  }

  expect(linesOf(record).slice(1)).toMatchObject([
    { what: "minute", stored: 54, unstored: 6, bytes: 60_000 },
    { what: "minute", stored: 54, unstored: 6, bytes: 60_000 },
    { what: "minute", stored: 27, unstored: 3, bytes: 30_000 },
  ]);
});

test("the last lines are kept, and how many were dropped is said", () => {
  const record = new FlightRecord(new ManualClock());

  for (let part = 0; part < MAX_LINES + 10; part += 1) record.note("stalled", { part });

  const [head, first, ...others] = linesOf(record);
  expect(head).toEqual({ lines: MAX_LINES, dropped: 10 });
  expect(first).toMatchObject({ part: 10 });
  expect(others).toHaveLength(MAX_LINES - 1);
});

test.each([SIGNED_URL, "5ec4e7", "Bearer abc", "/Users/ann/Wedding/IMG_1.JPG", "ann@example.org"])(
  "of %s nothing is written, in whatever place it is handed over",
  (secret) => {
    const record = new FlightRecord(new ManualClock());

    record.note("refused", { file: secret === "5ec4e7" ? "x5ec4e7" : secret, code: secret, status: secret });

    expect(record.text()).not.toContain(secret);
    expect(record.text()).not.toMatch(/https?:|Amz|Bearer|IMG_|@/);
  },
);
