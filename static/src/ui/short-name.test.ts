import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { shortenInTheMiddle } from "./short-name.ts";

describe("a name shortened in the middle", () => {
  test("keeps its number and its ending", () => {
    expect(shortenInTheMiddle("Wedding of Ana and Jo, part two_IMG_4411.jpeg", 24)).toBe(
      "Wedding of A…G_4411.jpeg",
    );
  });

  test("is whole at the limit and shortened one beyond it", () => {
    expect(shortenInTheMiddle("a".repeat(19), 20)).toBe("a".repeat(19));
    expect(shortenInTheMiddle("a".repeat(20), 20)).toBe("a".repeat(20));
    expect(Array.from(shortenInTheMiddle("a".repeat(21), 20))).toHaveLength(20);
  });

  test("never is longer than asked and never cuts a letter in two", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 80 }),
        fc.integer({ min: 3, max: 60 }),
        (name, max) => {
          const short = shortenInTheMiddle(name, max);

          expect(Array.from(short).length).toBeLessThanOrEqual(Math.max(max, 0));
          expect(() => encodeURIComponent(short)).not.toThrow();
        },
      ),
    );
  });
});
