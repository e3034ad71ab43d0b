import { expect, test } from "vitest";
import { listKeyOf } from "./list-keys.ts";

const AT_TEN = { index: 10, rowCount: 100, rowsInView: 8 };

test.each([
  ["ArrowDown", 11],
  ["ArrowUp", 9],
  ["PageDown", 17],
  ["PageUp", 3],
  ["Home", 0],
  ["End", 99],
])("%s goes to row %d", (key, index) => {
  expect(listKeyOf(pressed(key), AT_TEN)).toEqual({ type: "move", index, extends: false });
});

test("no key leaves the list at its ends", () => {
  expect(listKeyOf(pressed("ArrowUp"), { ...AT_TEN, index: 0 })).toMatchObject({ index: 0 });
  expect(listKeyOf(pressed("PageDown"), { ...AT_TEN, index: 98 })).toMatchObject({ index: 99 });
  expect(listKeyOf(pressed("ArrowDown"), { ...AT_TEN, rowCount: 0 })).toBeNull();
});

test("shift takes the rows between along", () => {
  expect(listKeyOf(pressed("ArrowDown", { shiftKey: true }), AT_TEN)).toMatchObject({ extends: true });
});

test("a letter means something only with the control key", () => {
  expect(listKeyOf(pressed("a"), AT_TEN)).toBeNull();
  expect(listKeyOf(pressed("a", { ctrlKey: true }), AT_TEN)).toEqual({ type: "all" });
  expect(listKeyOf(pressed("Enter"), AT_TEN)).toBeNull();
});

function pressed(key: string, held: { shiftKey?: boolean; ctrlKey?: boolean } = {}) {
  return { key, shiftKey: false, ctrlKey: false, metaKey: false, ...held };
}
