// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { readChosenFiles } from "./chosen-files.ts";

beforeEach(() => {
  document.body.innerHTML = "<main></main>";
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("a folder without files is told on the page", async () => {
  await readChosenFiles({ from: "input", input: inputWith() }, () => {});

  expect(document.querySelector("main")?.textContent).toBe("There was no file in it, so nothing was added.");
});

test("files are handed on, and what was said before is not said any more", async () => {
  const names: string[] = [];
  await readChosenFiles({ from: "input", input: inputWith() }, () => {});

  await readChosenFiles({ from: "input", input: inputWith(photo("a.jpg")) }, (files) =>
    names.push(...files.map(({ file }) => file.name)),
  );

  expect(names).toEqual(["a.jpg"]);
  expect(document.querySelector("main")?.textContent).toBe("");
});

test("the JPEG of a shot goes before its RAW, and notes about it stay on the disk", async () => {
  const names: string[] = [];
  const files = ["a.CR3", "a.JPG", "a.xmp", "b.jpg", "a.CR3.xmp"].map(photo);

  await readChosenFiles({ from: "input", input: inputWith(...files) }, (chosen) =>
    names.push(...chosen.map(({ file }) => file.name)),
  );

  expect(names).toEqual(["a.JPG", "a.CR3", "b.jpg"]);
  expect(document.querySelector("main")?.textContent).toBe(
    "2 files with edits (XMP) stay on your disk: galleries keep photos.",
  );
});

test("where there are nothing but notes, they are told alone", async () => {
  await readChosenFiles({ from: "input", input: inputWith(photo("a.XMP")) }, () => {});

  expect(document.querySelector("main")?.textContent).toBe(
    "1 file with edits (XMP) stays on your disk: galleries keep photos.",
  );
});

test("however slowly the browser tells of files, the page has its turn after a few of them", async () => {
  const turns = turnsTaken();
  const slow = Array.from({ length: 200 }, (_, index) => turns.slowPhoto(`${index}.jpg`));
  const names: string[] = [];

  await readChosenFiles({ from: "input", input: inputWith(...slow) }, (files) => {
    // To hand a file to the Worker takes its size.
    names.push(...files.flatMap(({ file }) => (file.size > 0 ? file.name : [])));
  });

  expect(names).toEqual(slow.map(({ name }) => name));
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

function photo(name: string): File {
  return Object.assign(new File(["x"], name), { webkitRelativePath: "" });
}

function inputWith(...files: readonly File[]): HTMLInputElement {
  const input = document.createElement("input");
  Object.defineProperty(input, "files", { value: files });
  return input;
}
