// @vitest-environment happy-dom
import { beforeAll, beforeEach, expect, test } from "vitest";
import { guardDrops } from "./drop-guard.ts";
import { listenForPhotos } from "./dropzone.ts";
import { hideNotice, showNotice } from "./notice.ts";

let missed = 0;

beforeAll(() => guardDrops(() => (missed += 1)));

beforeEach(() => {
  missed = 0;
  document.body.innerHTML = "<main><h1>Galleries</h1></main>";
});

test.each(["dragenter", "dragover", "drop"])("a file does not replace the page on %s", (type) => {
  expect(drag(type, ["Files"]).defaultPrevented).toBe(true);
});

test("a drop that nothing takes is told once", () => {
  drag("dragover", ["Files"]);
  drag("drop", ["Files"]);

  expect(missed).toBe(1);
});

test("a text that is dragged goes where it always went", () => {
  expect(drag("drop", ["text/plain"]).defaultPrevented).toBe(false);
  expect(missed).toBe(0);
});

test("a drop that a gallery takes is not told as missed", () => {
  let taken = 0;
  const ignore = (): void => {};
  const end = listenForPhotos(document.body, { drop: () => (taken += 1), paste: ignore, input: ignore });

  drag("drop", ["Files"]);
  end();

  expect([taken, missed]).toEqual([1, 0]);
});

test("what is to be said stands on the page, and the next sentence replaces it", () => {
  showNotice("First.");
  showNotice("Second.");
  expect(document.querySelector("main")?.textContent).toBe("Second.Galleries");

  hideNotice();
  expect(document.querySelector("main")?.textContent).toBe("Galleries");
});

function drag(type: string, types: readonly string[]): Event {
  const event = new Event(type, { bubbles: true, cancelable: true });
  Object.defineProperty(event, "dataTransfer", { value: { types, dropEffect: "none" } });
  document.querySelector("h1")?.dispatchEvent(event);
  return event;
}
