// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Publishing } from "./publishing.ts";

let stagedCount = 0;
let button: HTMLButtonElement;
let line: HTMLElement;
let publishing: Publishing;

beforeEach(() => {
  vi.stubGlobal("fetch", async () =>
    Response.json({ photos: Array(stagedCount).fill({}), next_cursor: null }),
  );
  button = document.createElement("button");
  line = document.createElement("p");
  publishing = new Publishing(button, line, "g", () => {});
});

afterEach(() => {
  publishing.end();
  vi.unstubAllGlobals();
});

test.each([
  [0, false, true, ""],
  [0, true, false, ""],
  [1, false, false, "1 photo waits to be published."],
  [2, false, false, "2 photos wait to be published."],
])("%d staged photos, more coming: %s", async (count, isMoreComing, isDisabled, words) => {
  stagedCount = count;
  publishing.tellMoreIsComing(isMoreComing);

  await publishing.countStaged();

  expect([button.disabled, line.hidden, line.textContent]).toEqual([isDisabled, words === "", words]);
});

test("the button comes back when photos arrive and goes when none did", async () => {
  stagedCount = 0;
  await publishing.countStaged();

  publishing.tellMoreIsComing(true);
  expect(button.disabled).toBe(false);

  publishing.tellMoreIsComing(false);
  expect(button.disabled).toBe(true);
});

test("what another device sent can be published here", async () => {
  vi.useFakeTimers();
  await publishing.countStaged();
  stagedCount = 3;

  publishing.heard({ type: "uploads", previous: 1, version: 2, uploads: [] });
  await vi.advanceTimersByTimeAsync(1_000);
  vi.useRealTimers();

  expect(button.disabled).toBe(false);
});
