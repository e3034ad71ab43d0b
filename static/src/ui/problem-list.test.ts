// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { ProblemList } from "./problem-list.ts";

const HEBREW = "\u05d0\u05d1 1.txt";

test("a name in another direction turns nothing around it", () => {
  const list = new ProblemList({ onRetry: () => {}, onClear: () => {} });

  list.show([{ code: "not_an_image", count: 1, retryable: false, names: [HEBREW] }]);

  const sentence = list.element.querySelector("p");
  expect(sentence?.textContent).toBe(`${HEBREW}: This is not a photo, so it was left out.`);
  expect(sentence?.querySelector("bdi")?.textContent).toBe(HEBREW);
});

test("several files are counted, and each name stands for itself", () => {
  const list = new ProblemList({ onRetry: () => {}, onClear: () => {} });

  list.show([{ code: "not_an_image", count: 2, retryable: false, names: [HEBREW, "b.txt"] }]);

  expect(list.element.querySelector("p")?.textContent).toBe("2 files are not photos and were left out.");
  expect(Array.from(list.element.querySelectorAll("details li"), (line) => line.getAttribute("dir"))).toEqual(
    ["auto", "auto"],
  );
});
