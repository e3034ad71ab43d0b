import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { justify, shownRatio, type Wall } from "./justified-layout.ts";

const desk = { width: 1392, rowHeight: 232, gap: 8 };
const anyRatios = fc.array(fc.double({ min: 0.05, max: 12, noNaN: true }), { minLength: 1, maxLength: 400 });
const anyMeasure = fc.record({
  width: fc.integer({ min: 200, max: 3_000 }),
  rowHeight: fc.integer({ min: 80, max: 400 }),
  gap: fc.integer({ min: 0, max: 16 }),
});

describe("a justified wall", () => {
  test("fills every row but the last to the very pixel", () => {
    fc.assert(
      fc.property(anyRatios, anyMeasure, (ratios, measure) => {
        const wall = justify(ratios, measure);

        for (let row = 0; row < wall.rowCount - 1; row += 1) {
          expect(rightEdge(wall, row)).toBe(measure.width);
        }
        expect(rightEdge(wall, wall.rowCount - 1)).toBeLessThanOrEqual(measure.width);
      }),
    );
  });

  test("leaves exactly the gap between neighbours and between rows", () => {
    fc.assert(
      fc.property(anyRatios, anyMeasure, (ratios, measure) => {
        const wall = justify(ratios, measure);

        for (let index = 1; index < ratios.length; index += 1) {
          expect(gapBefore(wall, index)).toBe(measure.gap);
        }
      }),
    );
  });

  test("keeps the shape of every photo to within a pixel of rounding", () => {
    fc.assert(
      fc.property(anyRatios, anyMeasure, (ratios, measure) => {
        const wall = justify(ratios, measure);

        ratios.forEach((ratio, index) => {
          const height = at(wall.heights, index);
          const tolerance = 1.5 + shownRatio(ratio);
          expect(Math.abs(at(wall.widths, index) - shownRatio(ratio) * height)).toBeLessThanOrEqual(
            tolerance,
          );
        });
      }),
    );
  });

  test("shows every photo once, in order", () => {
    const wall = justify(new Array(5_000).fill(1.5), desk);

    expect(wall.lefts).toHaveLength(5_000);
    expect(Array.from(wall.rowOf)).toEqual(Array.from(wall.rowOf).sort((one, other) => one - other));
  });

  test("does not blow up a last row of few photos", () => {
    const wall = justify([1.5, 1.5], desk);

    expect(at(wall.heights, 0)).toBe(desk.rowHeight);
  });

  test("stretches a last row that is nearly full", () => {
    const wall = justify([1.5, 1.5, 1.5], { ...desk, width: 1_100 });

    expect(rightEdge(wall, 0)).toBe(1_100);
  });

  test("crops what is wider or taller than a row can bear", () => {
    expect([shownRatio(9), shownRatio(0.1), shownRatio(0), shownRatio(Number.NaN)]).toEqual([4, 0.5, 1, 1]);
  });

  test("is empty without photos", () => {
    const wall = justify([], desk);

    expect([wall.rowCount, wall.height]).toEqual([0, 0]);
  });
});

function at(values: Int32Array, index: number): number {
  return values[index] ?? Number.NaN;
}

function gapBefore(wall: Wall, index: number): number {
  return wall.rowOf[index] === wall.rowOf[index - 1]
    ? at(wall.lefts, index) - at(wall.lefts, index - 1) - at(wall.widths, index - 1)
    : at(wall.tops, index) - bottom(wall, index - 1);
}

function bottom(wall: Wall, index: number): number {
  return at(wall.tops, index) + at(wall.heights, index);
}

function rightEdge(wall: Wall, row: number): number {
  const last = row + 1 < wall.rowCount ? at(wall.rowFirsts, row + 1) - 1 : wall.lefts.length - 1;
  return at(wall.lefts, last) + at(wall.widths, last);
}
