import { expect, test } from "vitest";
import { groupsOf } from "./leftovers.ts";

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
