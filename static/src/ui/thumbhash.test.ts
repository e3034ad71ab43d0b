import { describe, expect, test } from "vitest";
import { decodeThumbhash, type Placeholder } from "./thumbhash.ts";

// Made by the thumbhash package of PyPI from a picture that is redder to the right and greener to the bottom.
const LANDSCAPE = "3wcKXZqDTnOAeHeIiHiHd3BzB/d4";

describe("a placeholder", () => {
  test("has the shape of its photo", () => {
    const placeholder = decoded(LANDSCAPE);

    expect([placeholder.width, placeholder.height]).toEqual([32, 23]);
  });

  test("has its colours where the photo has them", () => {
    const placeholder = decoded(LANDSCAPE);
    const [left, right, bottom] = [
      pixel(placeholder, 0, 0),
      pixel(placeholder, 31, 0),
      pixel(placeholder, 0, 22),
    ];

    expect(left).toEqual([0, 4, 205, 255]); // the corner as the reference decoder has it
    expect(right[0]).toBeGreaterThan(200);
    expect(bottom[1]).toBeGreaterThan(200);
  });

  test.each(["", "AAAA", "not base64!"])("is none for %j", (text) => {
    expect(decodeThumbhash(text)).toBeNull();
  });

  test("of any bytes is a picture of bounded size", () => {
    for (let byte = 0; byte < 256; byte += 1) {
      const placeholder = decoded(btoa(String.fromCharCode(...new Array(12).fill(byte))));

      expect(Math.max(placeholder.width, placeholder.height)).toBeLessThanOrEqual(32);
      expect(Math.min(placeholder.width, placeholder.height)).toBeGreaterThan(0);
    }
  });
});

function decoded(base64: string): Placeholder {
  const placeholder = decodeThumbhash(base64);
  if (placeholder === null) {
    throw new Error("no placeholder");
  }
  return placeholder;
}

function pixel({ rgba, width }: Placeholder, x: number, y: number): number[] {
  return Array.from(rgba.subarray((y * width + x) * 4, (y * width + x) * 4 + 4));
}
