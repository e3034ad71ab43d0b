// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Previews } from "./previews.ts";
import { rowWith } from "./sample-uploads.ts";
import { UploadShelf } from "./upload-shelf.ts";

let root: HTMLElement;
let shelf: UploadShelf;
let emptiedCount: number;

beforeEach(() => {
  vi.useFakeTimers();
  root = document.createElement("section");
  emptiedCount = 0;
  shelf = new UploadShelf(root, new Previews(async () => null), () => {
    emptiedCount += 1;
  });
});

afterEach(() => {
  vi.useRealTimers();
});

function states(): (string | undefined)[] {
  return Array.from(
    root.querySelectorAll<HTMLElement>("[data-tile-state]"),
    (tile) => tile.dataset["tileState"],
  );
}

function line(): string | null | undefined {
  return root.querySelector(".shelf-line")?.textContent;
}

test("what was just chosen stays until the engine tells of it, also where it said before that there is nothing", () => {
  shelf.showChosen([rowWith({ state: "inspecting" })]);

  shelf.show([], 0);
  expect(states()).toEqual(["inspecting"]);

  shelf.show([rowWith({ state: "queued" })], 1);
  expect(states()).toEqual(["queued"]);
  vi.runAllTimers();
  expect(states()).toEqual(["queued"]);
  expect(emptiedCount).toBe(0);
});

test("what the gallery had already does not stay on the shelf", () => {
  shelf.showChosen([rowWith({ state: "inspecting" })]);
  shelf.show([], 0);

  vi.runAllTimers();

  expect(states()).toEqual([]);
  expect(shelf.isEmpty).toBe(true);
  expect(emptiedCount).toBe(1);
});

test("an engine that takes its time is waited for", () => {
  shelf.showChosen([rowWith({ state: "inspecting" })]);

  vi.runAllTimers();

  expect(states()).toEqual(["inspecting"]);
});

test("of a RAW that failed beside its safe JPEG one file is not added", () => {
  const parts = [
    { fileId: "j", name: "IMG_1.jpg", state: "done" },
    { fileId: "r", name: "IMG_1.cr2", state: "failed" },
  ] as const;

  shelf.show([rowWith({ state: "failed", parts }), rowWith({ fileId: "x", state: "failed" })], 3);

  expect(line()).toBe("2 files not added");
});

test("what failed is not all of it while the other file of the shot is on its way", () => {
  const parts = [
    { fileId: "j", name: "IMG_1.jpg", state: "uploading" },
    { fileId: "r", name: "IMG_1.cr2", state: "failed" },
  ] as const;

  shelf.show([rowWith({ state: "failed", parts })], 2);

  expect(line()).toBe("On the way");
});

test("once told of, the shelf empties at once", () => {
  shelf.showChosen([rowWith({ state: "inspecting" })]);
  shelf.show([rowWith({ state: "uploading" })], 1);

  shelf.show([], 0);

  expect(shelf.isEmpty).toBe(true);
});
