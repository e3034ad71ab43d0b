import fc from "fast-check";
import { expect, test } from "vitest";
import { afterBusy, afterSuccess, afterThrottle, type Flow, LONGEST_REST_MS, openFlow } from "./flow.ts";
import { STORE_BACKOFF } from "./retry.ts";

const MOST = 6;

function throttled(flow: Flow, nowMs: number, retryAfterMs: number | null = null, startedAtMs = nowMs): Flow {
  return afterThrottle(flow, { startedAtMs, nowMs, retryAfterMs, random: 0.5 });
}

function well(flow: Flow, count: number): Flow {
  return Array.from({ length: count }).reduce<Flow>(afterSuccess, flow);
}

test("each refusal for load halves the pace, and never stops it", () => {
  const limits: number[] = [];
  let flow = openFlow(MOST);

  for (let nowMs = 0; nowMs < 4; nowMs += 1) {
    flow = throttled(flow, nowMs);
    limits.push(flow.limit);
  }

  expect(limits).toEqual([3, 1, 1, 1]);
});

test("what went well is one more after each round, up to the most", () => {
  const slow = throttled(throttled(openFlow(MOST), 0), 1);

  expect([1, 3, 6, 10, 15, 100].map((count) => well(slow, count).limit)).toEqual([2, 3, 4, 5, 6, 6]);
  expect([0, 2, 5, 9, 14].map((count) => well(slow, count).limit)).toEqual([1, 2, 3, 4, 5]);
});

test("six that are refused together count once", () => {
  let flow = openFlow(MOST);

  for (let index = 0; index < 6; index += 1) flow = throttled(flow, 100 + index, null, 50);

  expect(flow).toMatchObject({ limit: 3, throttledInARow: 1 });
});

test("all wait as long as is asked for, a little later than that, and never for ever", () => {
  const waits = [0, 7000, 10 * LONGEST_REST_MS].map(
    (retryAfterMs) => throttled(openFlow(MOST), 1000, retryAfterMs).restUntilMs - 1000,
  );

  expect(waits).toEqual([0, 7350, LONGEST_REST_MS]);
});

test("where nothing is asked for, the wait grows from one refusal to the next", () => {
  let flow = openFlow(MOST);
  const waits: number[] = [];

  for (let nowMs = 0; nowMs < 40_000_000; nowMs += 4_000_000) {
    flow = throttled(flow, nowMs);
    waits.push(flow.restUntilMs - nowMs);
  }

  expect(waits.slice(0, 4)).toEqual([500, 1000, 2000, 4000].map((ms) => expect.closeTo(ms * 1.05)));
  expect(Math.max(...waits)).toBeLessThanOrEqual(STORE_BACKOFF.longestMs);
});

test("a busy server makes all wait and slows nothing", () => {
  const flow = afterBusy(openFlow(MOST), { nowMs: 0, retryAfterMs: 2000, random: 0 });

  expect(flow).toMatchObject({ limit: MOST, restUntilMs: 2000 });
  expect(afterBusy(flow, { nowMs: 0, retryAfterMs: null, random: 0 })).toBe(flow);
  expect(afterBusy(flow, { nowMs: 100, retryAfterMs: 500, random: 0 }).restUntilMs).toBe(2000);
});

const anyOutcome = fc.oneof(
  { weight: 3, arbitrary: fc.constant("well" as const) },
  fc.record({
    agoMs: fc.nat(60_000),
    retryAfterMs: fc.option(fc.nat(10_000_000)),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  }),
);

test("whatever comes, the pace stays within 1 and the most, and comes back to it", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(anyOutcome, { maxLength: 200 }),
      (most, outcomes) => {
        let flow = openFlow(most);
        outcomes.forEach((outcome, index) => {
          const nowMs = index * 1000;
          flow =
            outcome === "well"
              ? afterSuccess(flow)
              : afterThrottle(flow, { ...outcome, nowMs, startedAtMs: nowMs - outcome.agoMs });
          expect(flow.limit).toBeGreaterThanOrEqual(1);
          expect(flow.limit).toBeLessThanOrEqual(most);
          expect(flow.restUntilMs).toBeLessThanOrEqual(nowMs + LONGEST_REST_MS);
        });

        expect(well(flow, most * most).limit).toBe(most);
      },
    ),
    { numRuns: 2000 },
  );
});
