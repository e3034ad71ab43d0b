import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import vectors from "../../../tests/vectors/client_id.json" with { type: "json" };
import { clientIdOf } from "./client-id.ts";
import { MAX_CLIENT_ID_LENGTH } from "./limits.ts";
import { sha256Hex } from "./sha256.ts";

test.each(vectors.vectors)("$path has the same id in every client", (vector) => {
  const id = clientIdOf({ path: vector.path, fileBytes: vector.size, lastModifiedMs: vector.last_modified });

  expect(id).toBe(vector.client_id);
  expect(id.length).toBeLessThanOrEqual(MAX_CLIENT_ID_LENGTH);
});

test("any text hashes as SHA-256 says", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => {
      expect(sha256Hex(text)).toBe(createHash("sha256").update(text).digest("hex"));
    }),
  );
});

test("a file that was changed, moved or given another size is another file", () => {
  const file = { path: "a/IMG_1.JPG", fileBytes: 10, lastModifiedMs: 5 };
  const others = [
    file,
    { ...file, path: "b/IMG_1.JPG" },
    { ...file, fileBytes: 11 },
    { ...file, lastModifiedMs: 6 },
  ];

  expect(new Set(others.map(clientIdOf)).size).toBe(others.length);
});
