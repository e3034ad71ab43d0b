// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ChosenFile } from "../engine/port.ts";
import { type ChosenListener, readChosenFiles } from "./chosen-files.ts";

beforeEach(() => {
  document.body.innerHTML = "<main></main>";
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("a folder without files is told on the page", async () => {
  await readChosenFiles({ from: "input", input: inputWith() }, heard());

  expect(document.querySelector("main")?.textContent).toBe("There was no file in it, so nothing was added.");
});

test("files are handed on, and what was said before is not said any more", async () => {
  const listener = heard();
  await readChosenFiles({ from: "input", input: inputWith() }, heard());

  await readChosenFiles({ from: "input", input: inputWith(photo("a.jpg")) }, listener);

  expect(listener.photos).toEqual(["a.jpg"]);
  expect(document.querySelector("main")?.textContent).toBe("");
});

test("the JPEG of a shot goes before its RAW, and notes about them after all photos", async () => {
  const listener = heard();
  const files = ["a.CR3", "a.JPG", "a.xmp", "b.jpg", "a.CR3.xmp"].map(photo);

  await readChosenFiles({ from: "input", input: inputWith(...files) }, listener);

  expect(listener.all).toEqual(["a.JPG", "a.CR3", "b.jpg", "a.xmp", "a.CR3.xmp"]);
  expect(listener.sidecars).toEqual(["a.xmp", "a.CR3.xmp"]);
  expect(document.querySelector("main")?.textContent).toBe("");
});

test("notes are handed on where nothing else was chosen, a few at once", async () => {
  const listener = heard();
  const files = Array.from({ length: 45 }, (_, index) => photo(`${index}.XMP`));

  await readChosenFiles({ from: "input", input: inputWith(...files) }, listener);

  expect(listener.sidecars).toEqual(files.map(({ name }) => name));
  expect(listener.calls).toEqual([20, 20, 5]);
  expect(listener.photos).toEqual([]);
});

test("however slowly the browser tells of files, the page has its turn after a few of them", async () => {
  const turns = turnsTaken();
  const slow = Array.from({ length: 400 }, (_, index) =>
    turns.slowPhoto(index < 200 ? `${index}.jpg` : `${index}.xmp`),
  );
  const listener = heard();

  await readChosenFiles({ from: "input", input: inputWith(...slow) }, listener);

  expect(listener.all).toEqual(slow.map(({ name }) => name));
  expect(turns.longestMs()).toBeLessThan(50);
});

/** A clock that each file moves when it is first asked for its size, and the time between turns of the page. */
function turnsTaken(): { slowPhoto: (name: string) => File; longestMs: () => number } {
  let nowMs = 0;
  let turnMs = 0;
  let longestMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => nowMs);
  vi.stubGlobal("scheduler", {
    postTask: (run: () => void) => {
      longestMs = Math.max(longestMs, nowMs - turnMs);
      turnMs = nowMs;
      run();
      return Promise.resolve();
    },
  });
  const asked = new Set<string>();
  const slowPhoto = (name: string): File =>
    Object.defineProperty(photo(name), "size", {
      get: () => {
        if (!asked.has(name)) nowMs += 2;
        asked.add(name);
        return 1;
      },
    });
  return { slowPhoto, longestMs: () => Math.max(longestMs, nowMs - turnMs) };
}

type Heard = ChosenListener & {
  readonly photos: string[];
  readonly sidecars: string[];
  readonly all: string[];
  /** How many files each call handed on. */
  readonly calls: number[];
};

/** To hand a file to the Worker takes its size. */
function heard(): Heard {
  const [photos, sidecars, all, calls]: [string[], string[], string[], number[]] = [[], [], [], []];
  const take = (files: readonly ChosenFile[], into: string[]): void => {
    const names = files.flatMap(({ file }) => (file.size > 0 ? file.name : []));
    into.push(...names);
    all.push(...names);
    calls.push(files.length);
  };
  return {
    photos,
    sidecars,
    all,
    calls,
    onPhotos: (files) => take(files, photos),
    onSidecars: (files) => take(files, sidecars),
  };
}

function photo(name: string): File {
  return Object.assign(new File(["x"], name), { webkitRelativePath: "" });
}

function inputWith(...files: readonly File[]): HTMLInputElement {
  const input = document.createElement("input");
  Object.defineProperty(input, "files", { value: files });
  return input;
}
