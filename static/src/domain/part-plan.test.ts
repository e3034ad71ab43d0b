import fc from "fast-check";
import { expect, test } from "vitest";
import vectors from "../../../tests/vectors/part_plan.json" with { type: "json" };
import { MIB } from "../kernel/units.ts";
import { MAX_PART_COUNT, MIN_PART_BYTES } from "./limits.ts";
import { bytesOfParts, planParts, planWithPartBytes, rangeOfPart } from "./part-plan.ts";

test.each(vectors.vectors)("a file of $size bytes is cut as on the server", (vector) => {
  const plan = planParts(vector.size);

  expect(plan).toEqual({
    fileBytes: vector.size,
    partBytes: vector.part_bytes,
    partCount: vector.part_count,
  });
  expect(rangeOfPart(plan, plan.partCount).bytes).toBe(vector.last_part_bytes);
});

test("every plan covers its file exactly once, within the limits of the store", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 * 1024 * MIB }), (fileBytes) => {
      const plan = planParts(fileBytes);

      const last = rangeOfPart(plan, plan.partCount);
      expect(last.offset + last.bytes).toBe(fileBytes);
      expect(last.bytes).toBeGreaterThan(0);
      expect(plan.partCount).toBeLessThanOrEqual(MAX_PART_COUNT);
      expect(plan.partBytes).toBeGreaterThanOrEqual(MIN_PART_BYTES);
      expect(plan.partBytes % MIB).toBe(0);
    }),
  );
});

test("the part size of the server wins over our own", () => {
  const plan = planWithPartBytes(20 * MIB, 6 * MIB);

  expect(plan.partCount).toBe(4);
  expect(rangeOfPart(plan, 4)).toEqual({ offset: 18 * MIB, bytes: 2 * MIB });
  expect(bytesOfParts(plan, [1, 4])).toBe(8 * MIB);
});
