import { describe, expect, test } from "vitest";
import { justify } from "./justified-layout.ts";
import { rowsInView, tileInNextRow, tilesBetween } from "./visible-span.ts";

// Three squares a row, rows at 0, 110, 220 …
const wall = justify(new Array(30).fill(1), { width: 320, rowHeight: 100, gap: 10 });

describe("the tiles in view", () => {
  test("are whole rows, however little of them shows", () => {
    expect(tilesBetween(wall, 99, 111)).toEqual({ first: 0, end: 6 });
  });

  test("are none above and below the wall", () => {
    expect(tilesBetween(wall, -50, 0)).toEqual({ first: 0, end: 0 });
    expect(tilesBetween(wall, wall.height, wall.height + 50)).toEqual({ first: 0, end: 0 });
  });

  test("end with the last photo", () => {
    expect(tilesBetween(wall, wall.height - 1, wall.height + 500)).toEqual({ first: 27, end: 30 });
  });

  test("are those of a row from its first pixel to its last gap", () => {
    expect(tilesBetween(wall, 109, 110).first).toBe(0);
    expect(tilesBetween(wall, 110, 111).first).toBe(3);
  });

  test("stay few in a wall of five thousand", () => {
    const large = justify(new Array(5_000).fill(1.5), { width: 1_392, rowHeight: 232, gap: 8 });

    const span = tilesBetween(large, 20_000, 20_000 + 900 * 2.5);

    expect(span.end - span.first).toBeLessThanOrEqual(60);
  });
});

describe("the arrow keys", () => {
  test("go to the tile below and above", () => {
    expect(tileInNextRow(wall, 4, 1)).toBe(7);
    expect(tileInNextRow(wall, 4, -1)).toBe(1);
  });

  test("stay where there is no row", () => {
    expect(tileInNextRow(wall, 1, -1)).toBe(1);
    expect(tileInNextRow(wall, 29, 1)).toBe(29);
  });
});

describe("the rows of a list in view", () => {
  test("are those of the viewport and a margin, never beyond the list", () => {
    expect(rowsInView(0, 480, 48, 1_000)).toEqual({ first: 0, end: 16 });
    expect(rowsInView(4_800, 480, 48, 1_000)).toEqual({ first: 94, end: 116 });
    expect(rowsInView(4_800, 480, 48, 50)).toEqual({ first: 50, end: 50 });
  });
});
