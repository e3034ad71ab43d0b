import { describe, expect, test } from "vitest";
import type { Orientation } from "../domain/embedded-preview.ts";
import { cropTo, scaledTo, uprightSize, uprightTransform } from "./picture-shape.ts";

describe("a camera's thumbnail", () => {
  test("loses the bars above and below a wide photo", () => {
    expect(cropTo({ width: 160, height: 120 }, { width: 6_000, height: 4_000 })).toEqual({
      left: 0,
      top: 6,
      width: 160,
      height: 107,
    });
  });

  test("loses the bars beside a tall one", () => {
    expect(cropTo({ width: 160, height: 120 }, { width: 3_000, height: 3_000 })).toMatchObject({
      left: 20,
      width: 120,
      height: 120,
    });
  });

  test("stays whole where the shapes agree, or one is not known", () => {
    const whole = { left: 0, top: 0, width: 160, height: 120 };

    expect(cropTo({ width: 160, height: 120 }, { width: 4_032, height: 3_024 })).toEqual(whole);
    expect(cropTo({ width: 160, height: 120 }, null)).toEqual(whole);
  });
});

test("a picture is made smaller, never larger", () => {
  expect(scaledTo({ width: 1_620, height: 1_080 }, 240)).toEqual({ width: 240, height: 160 });
  expect(scaledTo({ width: 160, height: 120 }, 240)).toEqual({ width: 160, height: 120 });
  expect(scaledTo({ width: 9_000, height: 2 }, 240)).toEqual({ width: 240, height: 1 });
});

/** Where the top left corner of a picture stored 3 wide and 2 high stands once it is upright: Exif 2.32, 4.6.4. */
test.each<[Orientation, readonly [number, number]]>([
  [1, [0, 0]],
  [2, [3, 0]],
  [3, [3, 2]],
  [4, [0, 2]],
  [5, [0, 0]],
  [6, [2, 0]],
  [7, [2, 3]],
  [8, [0, 3]],
])("orientation %d puts the first corner at %o", (orientation, corner) => {
  const size = { width: 3, height: 2 };
  const [a, b, c, d, e, f] = uprightTransform(orientation, size);
  const upright = uprightSize(orientation, size);

  const at = (x: number, y: number) => [a * x + c * y + e, b * x + d * y + f];
  const corners = [at(0, 0), at(3, 0), at(0, 2), at(3, 2)];

  expect(at(0, 0)).toEqual(corner);
  expect(Math.min(...corners.map(([x = 0]) => x))).toBe(0);
  expect(Math.max(...corners.map(([x = 0]) => x))).toBe(upright.width);
  expect(Math.max(...corners.map(([, y = 0]) => y))).toBe(upright.height);
});
