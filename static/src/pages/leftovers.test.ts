// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { groupsOf, Leftovers } from "./leftovers.ts";

let rows: { id: string; name: string; error: unknown }[] = [];
let root: HTMLElement;
let leftovers: Leftovers;

beforeEach(() => {
  vi.useFakeTimers();
  // Pages of two, as the server gives them of a thousand.
  vi.stubGlobal("fetch", async (path: string) => {
    const from = Number(new URL(path, "http://here").searchParams.get("cursor") || 0);
    const next = from + 2 < rows.length ? String(from + 2) : null;
    return Response.json({ uploads: rows.slice(from, from + 2), next_cursor: next });
  });
  root = document.createElement("section");
  leftovers = new Leftovers(root, "g");
});

afterEach(() => {
  leftovers.end();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function begun(count: number): typeof rows {
  return Array.from({ length: count }, (_, index) => ({ id: `${index}`, name: `${index}.jpg`, error: null }));
}

/** Until what was left is told. */
async function readLeftovers(): Promise<void> {
  leftovers.begin();
  await vi.advanceTimersByTimeAsync(3_000);
}

test("what was begun elsewhere is counted to the last", async () => {
  rows = begun(5);

  await readLeftovers();

  expect([root.hidden, root.textContent]).toEqual([false, expect.stringContaining("5 files were begun")]);
});

test("what another device goes on sending is no longer told as missing", async () => {
  rows = begun(2);
  await readLeftovers();

  rows = [];
  leftovers.heard({ type: "uploads", previous: 1, version: 2, uploads: [] });
  await vi.advanceTimersByTimeAsync(1_000);

  expect(root.hidden).toBe(true);
});

test("nothing is called left while this browser may still find its own uploads again", async () => {
  rows = begun(2);

  leftovers.begin();
  leftovers.heard({ type: "uploads", previous: 1, version: 2, uploads: [] });
  await vi.advanceTimersByTimeAsync(2_900);

  expect(root.hidden).toBe(true);
});

test("nothing is called left while another device sends it", async () => {
  rows = begun(2);
  await readLeftovers();

  leftovers.heard({ type: "progress", totals: { files: { signed: 2 } } });
  leftovers.heard({ type: "uploads", previous: 1, version: 2, uploads: [] });
  await vi.advanceTimersByTimeAsync(14_000);

  expect(root.hidden).toBe(true);
});

test("what another device has stopped sending is told again", async () => {
  rows = begun(2);
  await readLeftovers();

  leftovers.heard({ type: "progress", totals: { files: { signed: 2 } } });
  await vi.advanceTimersByTimeAsync(15_000);

  expect([root.hidden, root.textContent]).toEqual([false, expect.stringContaining("2 files were begun")]);
});

test("what failed is told as soon as the other device has nothing more on its way", async () => {
  await vi.advanceTimersByTimeAsync(5_000);
  leftovers.heard({ type: "progress", totals: { files: { signed: 2 } } });
  rows = [{ id: "1", name: "a.jpg", error: { code: "damaged_photo", retryable: false } }];

  leftovers.heard({ type: "progress", totals: { files: { verified: 1, failed: 1 } } });
  leftovers.heard({ type: "uploads", previous: 1, version: 2, uploads: [] });
  await vi.advanceTimersByTimeAsync(1_000);

  expect([root.hidden, root.textContent]).toEqual([false, expect.stringContaining("a.jpg")]);
});

test("once this visit uploads by itself, the dock tells", async () => {
  rows = begun(2);
  await readLeftovers();

  leftovers.end();
  leftovers.heard({ type: "uploads", previous: 1, version: 2, uploads: [] });
  await vi.advanceTimersByTimeAsync(1_000);

  expect(root.hidden).toBe(true);
});

test("what an earlier visit left is told by its reason", () => {
  const groups = groupsOf([
    { id: "1", name: "a.jpg", error: { code: "damaged_photo", retryable: false } },
    { id: "2", name: "b.jpg", error: { code: "damaged_photo", retryable: false } },
    { id: "3", name: "c.jpg", error: null },
  ]);

  expect(Array.from(groups.values(), ({ code, names }) => [code, names])).toEqual([
    ["damaged_photo", ["a.jpg", "b.jpg"]],
    ["begun_before", ["c.jpg"]],
  ]);
});

test("a photo that the gallery had already is no trouble", () => {
  expect(groupsOf([{ id: "1", name: "a.jpg", error: { code: "duplicate", retryable: false } }]).size).toBe(0);
});
