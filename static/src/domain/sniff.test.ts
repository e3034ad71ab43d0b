import fc from "fast-check";
import { expect, test } from "vitest";
import vectors from "../../../tests/vectors/sniff.json" with { type: "json" };
import { readImageSize } from "./image-size.ts";
import { sniff } from "./sniff.ts";

function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

test.each(vectors.vectors)("$name is $type", (vector) => {
  expect(sniff(bytesOfHex(vector.head_hex))).toBe(vector.type);
});

test("no head, however broken, is more than unknown", () => {
  const anyHead = fc
    .tuple(fc.constantFrom(...vectors.vectors), fc.uint8Array({ maxLength: 64 }), fc.nat(40))
    .map(([vector, noise, cut]) =>
      Uint8Array.from([...bytesOfHex(vector.head_hex).subarray(0, cut), ...noise]),
    );
  fc.assert(
    fc.property(anyHead, (head) => {
      const type = sniff(head);
      if (type !== null) readImageSize(type, head);
    }),
    { numRuns: 2000 },
  );
});
