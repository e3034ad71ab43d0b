import fc from "fast-check";
import { expect, test } from "vitest";
import { API_BACKOFF, backoffMs, probePauseMs, probeWithinMs, retryAfterMs } from "./retry.ts";

test("the pause is anywhere below a ceiling that doubles up to its limit", () => {
  fc.assert(
    fc.property(
      fc.nat(2000),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (attempt, random) => {
        const ceilingMs = Math.min(API_BACKOFF.longestMs, API_BACKOFF.firstMs * 2 ** attempt);

        expect(backoffMs(API_BACKOFF, attempt, random)).toBeLessThanOrEqual(ceilingMs);
        expect(backoffMs(API_BACKOFF, attempt, random)).toBeGreaterThanOrEqual(0);
      },
    ),
  );
  expect(backoffMs(API_BACKOFF, 0, 0.5)).toBe(250);
  expect(backoffMs(API_BACKOFF, 1, 0.5)).toBe(500);
  expect(backoffMs(API_BACKOFF, 100, 0.5)).toBe(API_BACKOFF.longestMs / 2);
});

test.each([
  ["3", 3000],
  ["0", 0],
  ["-1", null],
  ["soon", null],
  ["", null],
  [null, null],
  ["Sat, 21 Nov 2026 12:00:10 GMT", 10_000],
  ["Sat, 21 Nov 2026 11:59:00 GMT", 0],
])("Retry-After %s means %s ms", (header, expectedMs) => {
  expect(retryAfterMs(header, Date.parse("2026-11-21T12:00:00Z"))).toBe(expectedMs);
});

test("a network that is away is asked for again within five seconds for the first half minute, then less often", () => {
  const longest = (attempt: number) => probePauseMs(attempt, 1) + probeWithinMs(attempt);
  const attempts = Array.from({ length: 60 }, (_, attempt) => attempt);

  expect(Math.max(...attempts.slice(0, 8).map(longest))).toBeLessThan(5_000);
  expect(Math.max(...attempts.slice(0, 16).map(longest))).toBeLessThanOrEqual(7_000);
  expect(longest(59)).toBe(50_000);
  expect(attempts.map(probeWithinMs)).toEqual(attempts.map(probeWithinMs).toSorted((a, b) => a - b));
});
