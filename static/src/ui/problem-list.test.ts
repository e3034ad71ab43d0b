// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { ProblemList, problemsToShow } from "./problem-list.ts";
import { tallyWith } from "./sample-uploads.ts";

const NOTHING_DONE = { onRetry: () => {}, onClear: () => {}, onChooseFolder: () => {} };
const HEBREW = "\u05d0\u05d1 1.txt";

test("a name in another direction turns nothing around it", () => {
  const list = new ProblemList(NOTHING_DONE);

  list.show([{ code: "not_an_image", count: 1, retryable: false, names: [HEBREW] }]);

  const sentence = list.element.querySelector("p");
  expect(sentence?.textContent).toBe(`${HEBREW}: This is not a photo, so it was left out.`);
  expect(sentence?.querySelector("bdi")?.textContent).toBe(HEBREW);
});

test("several files are counted, and each name stands for itself", () => {
  const list = new ProblemList(NOTHING_DONE);

  list.show([{ code: "not_an_image", count: 2, retryable: false, names: [HEBREW, "b.txt"] }]);

  expect(list.element.querySelector("p")?.textContent).toBe("2 files are not photos and were left out.");
  expect(Array.from(list.element.querySelectorAll("details li"), (line) => line.getAttribute("dir"))).toEqual(
    ["auto", "auto"],
  );
});

test("files that are needed again are asked for by their folder, not tried again", () => {
  const asked: string[] = [];
  const list = new ProblemList({ ...NOTHING_DONE, onChooseFolder: () => asked.push("folder") });

  list.show([{ code: "file_needed", count: 22, retryable: true, names: ["1.jpg"] }]);
  const buttons = Array.from(list.element.querySelectorAll("button")).filter((button) => !button.hidden);
  buttons[0]?.click();

  expect(buttons.map((button) => button.textContent)).toEqual(["Choose folder again", "Clear"]);
  expect(asked).toEqual(["folder"]);
});

test("a gallery that was deleted is brought back, not tried again", () => {
  const asked: string[] = [];
  const list = new ProblemList({ ...NOTHING_DONE, onBringBack: () => asked.push("back") });

  list.show([{ code: "gallery_deleted", count: 2, retryable: true, names: ["1.jpg", "2.jpg"] }]);
  const buttons = Array.from(list.element.querySelectorAll("button")).filter((button) => !button.hidden);
  buttons[0]?.click();

  expect(buttons.map((button) => button.textContent)).toEqual(["Bring it back", "Clear"]);
  expect(asked).toEqual(["back"]);
});

test("files whose folder is remembered are no problem of their own", () => {
  const problems = [{ code: "file_needed", count: 5, retryable: true, names: ["1.jpg"] }];
  const tally = tallyWith({ waiting: 5 }, { problems });

  expect(problemsToShow(tally)).toEqual(problems);
  expect(problemsToShow({ ...tally, askableCount: 5 })).toEqual([]);
  expect(problemsToShow({ ...tally, askableCount: 2 })).toMatchObject([{ count: 3, names: [] }]);
});
