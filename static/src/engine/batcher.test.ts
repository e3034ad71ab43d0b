import { expect, test } from "vitest";
import { ManualClock } from "../kernel/clock.ts";
import { Batcher } from "./batcher.ts";

function batcherAt(clock: ManualClock, apartMs: number): { batcher: Batcher<string>; calls: string[][] } {
  const calls: string[][] = [];
  const batcher = new Batcher<string>({
    clock,
    delayMs: () => 100,
    apartMs,
    maxItems: 3,
    groupOf: () => null,
    send: async (items) => {
      calls.push([...items]);
    },
  });
  return { batcher, calls };
}

async function pass(clock: ManualClock, byMs: number): Promise<void> {
  clock.advance(byMs);
  await new Promise((resolve) => setImmediate(resolve));
}

test("the first of all are asked about soon, those after them at some distance, together", async () => {
  const clock = new ManualClock();
  const { batcher, calls } = batcherAt(clock, 2_000);

  batcher.add("one");
  await pass(clock, 100);
  batcher.add("two");
  await pass(clock, 1_000);
  batcher.add("three");
  await pass(clock, 999);
  const before = calls.length;
  await pass(clock, 1);

  expect(before).toBe(1);
  expect(calls).toEqual([["one"], ["two", "three"]]);
});

test("a full call and an urgent one keep no distance", async () => {
  const clock = new ManualClock();
  const { batcher, calls } = batcherAt(clock, 2_000);

  batcher.add("one");
  await pass(clock, 100);
  for (const item of ["two", "three", "four"]) batcher.add(item);
  await pass(clock, 0);
  batcher.add("five");
  batcher.flush();
  await pass(clock, 0);

  expect(calls).toEqual([["one"], ["two", "three", "four"], ["five"]]);
});
