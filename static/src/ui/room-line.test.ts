// @vitest-environment happy-dom
import { expect, test, vi } from "vitest";
import { RoomLine, roomWords } from "./room-line.ts";

test.each([
  [5000, true, 0, "This gallery is full (5,000 photos)."],
  [5000, true, 212, "This gallery is full (5,000 photos). 212 were left out."],
  [10, false, 1, "This gallery takes 10 photos. 1 was left out."],
] as const)("of %i photos, full is %s and %i left out", (maxPhotos, isFull, leftOutCount, words) => {
  expect(roomWords(maxPhotos, isFull, leftOutCount)).toBe(words);
});

test.each([
  [1, false],
  [2, true],
  [3, true],
])("with %i of 2 photos nothing can be chosen: %s", (heldCount, isDisabled) => {
  const page = document.createElement("main");
  page.innerHTML = `<button data-chooses="files"></button><input data-chooser="files"><div data-part="room" hidden></div>`;
  const line = page.querySelector<HTMLElement>("[data-part=room]");
  const onDismiss = vi.fn();

  const room = new RoomLine(page, 2, onDismiss);
  room.show(heldCount, 0);

  expect(page.querySelectorAll(":disabled").length).toBe(isDisabled ? 2 : 0);
  expect(line?.hidden).toBe(!isDisabled);
  room.show(0, 1);
  line?.querySelector("button")?.click();
  expect([page.querySelectorAll(":disabled").length, line?.hidden, onDismiss.mock.calls.length]).toEqual([
    0,
    false,
    1,
  ]);
});
