// @vitest-environment happy-dom
import { beforeEach, expect, test } from "vitest";
import { readChosenFiles } from "./chosen-files.ts";

beforeEach(() => {
  document.body.innerHTML = "<main></main>";
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

function photo(name: string): File {
  return Object.assign(new File(["x"], name), { webkitRelativePath: "" });
}

function inputWith(...files: readonly File[]): HTMLInputElement {
  const input = document.createElement("input");
  Object.defineProperty(input, "files", { value: files });
  return input;
}
