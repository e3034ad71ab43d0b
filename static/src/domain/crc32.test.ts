import fc from "fast-check";
import { expect, test } from "vitest";
import vectors from "../../../tests/vectors/crc32.json" with { type: "json" };
import { combineCrc32, crc32, crc32Hex } from "./crc32.ts";

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The definition, bit by bit. */
function slowCrc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

test.each(vectors.vectors)("the parts $parts come to $crc32", (vector) => {
  const parts = vector.parts.map(bytesOf);

  expect(parts.map((part) => crc32Hex(crc32(part)))).toEqual(vector.part_crc32);
  expect(crc32Hex(crc32(bytesOf(vector.parts.join(""))))).toBe(vector.crc32);
  expect(crc32Hex(parts.reduce((crc, part) => combineCrc32(crc, crc32(part), part.length), 0))).toBe(
    vector.crc32,
  );
});

test("any bytes at any alignment agree with the definition", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(7), (bytes, shift) => {
      const shifted = new Uint8Array(bytes.length + shift).subarray(shift);
      shifted.set(bytes);

      expect(crc32(shifted)).toBe(slowCrc32(bytes));
    }),
  );
});

test("pieces taken one after another, or joined later, come to the same as the whole", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
      const [first, second] = [bytes.subarray(0, cut), bytes.subarray(cut)];

      expect(crc32(second, crc32(first))).toBe(crc32(bytes));
      expect(combineCrc32(crc32(first), crc32(second), second.length)).toBe(crc32(bytes));
    }),
  );
});

test("lengths beyond 2^32 can be joined", () => {
  const zeros = 5 * 2 ** 32;
  const halves = combineCrc32(zeroCrc(zeros / 2), zeroCrc(zeros / 2), zeros / 2);

  expect(halves).toBe(zeroCrc(zeros));
});

/** CRC-32 of many zero bytes, by doubling. */
function zeroCrc(byteCount: number): number {
  if (byteCount === 1) return crc32(new Uint8Array(1));
  const half = Math.floor(byteCount / 2);
  const halfCrc = zeroCrc(half);
  const even = combineCrc32(halfCrc, halfCrc, half);
  return byteCount % 2 === 0 ? even : combineCrc32(even, crc32(new Uint8Array(1)), 1);
}
