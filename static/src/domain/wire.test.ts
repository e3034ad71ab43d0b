import fc from "fast-check";
import { expect, test } from "vitest";
import { WIDEST_PROFILE } from "./profile.ts";
import {
  declaredFileBody,
  parseError,
  parseGallery,
  parsePhotoPage,
  parseProfile,
  parseSession,
  parseSocketMessage,
  parseStored,
  parseUploadPage,
  signItemBody,
} from "./wire.ts";

const ROW = {
  id: "u1",
  client_id: "c1",
  name: "a.jpg",
  size: 5,
  state: "signed",
  version: 3,
  error: null,
  photo_id: null,
};
const REQUEST = { method: "PUT", url: "/put", headers: { "Content-Type": "image/jpeg" } };

test("a row with its transfer is read in one go", () => {
  const part = { number: 2, offset: 8, size: 4, request: REQUEST };
  const transfer = {
    lane: "multipart",
    part_size: 8,
    size: 12,
    parts: [part],
    stored: [1],
    expires_in_s: 900,
  };

  const page = parseUploadPage({ uploads: [{ ...ROW, transfer, unknown: 1 }], next_cursor: "x", version: 7 });

  expect(page).toMatchObject({
    ok: true,
    value: {
      nextCursor: "x",
      version: 7,
      uploads: [
        { id: "u1", fileBytes: 5, transfer: { partBytes: 8, storedParts: [1], parts: [{ bytes: 4 }] } },
      ],
    },
  });
});

test("an item that is nothing but an error has no state", () => {
  const error = { code: "duplicate", message: "", retryable: false, details: { photo_id: "p1" } };

  const page = parseUploadPage({ uploads: [{ id: "u9", error }] });

  expect(page).toMatchObject({
    ok: true,
    value: { uploads: [{ id: "u9", state: null, failure: { code: "duplicate", photoId: "p1" } }] },
  });
});

test.each([
  ["a state nobody agreed on", { ...ROW, state: "dreaming" }],
  ["a number that is text", { ...ROW, version: "3" }],
  ["a lane nobody agreed on", { ...ROW, transfer: { lane: "pigeon" } }],
])("%s is malformed, and says where", (_, row) => {
  expect(parseUploadPage({ uploads: [row] })).toMatchObject({ ok: false, failure: { kind: "malformed" } });
});

test("whatever comes, parsing answers and never throws", () => {
  const parsers = [
    parseUploadPage,
    parsePhotoPage,
    parseGallery,
    parseSession,
    parseStored,
    parseSocketMessage,
  ];
  const near = fc.record(
    {
      type: fc.constantFrom("snapshot", "uploads", "photos", "progress"),
      uploads: fc.jsonValue(),
      version: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), near), (body) => {
      for (const parse of parsers) expect(typeof parse(body).ok).toBe("boolean");
      parseError(body);
    }),
    { numRuns: 1000 },
  );
});

test("only what is meant is sent", () => {
  const file = {
    clientId: "c",
    name: "a.jpg",
    fileBytes: 5,
    type: "image/jpeg",
    lastModifiedMs: 1.9,
    relativePath: "d/a.jpg",
  };

  expect(declaredFileBody({ ...file, allowDuplicate: false })).toEqual({
    client_id: "c",
    name: "a.jpg",
    size: 5,
    type: "image/jpeg",
    last_modified: 1,
    relative_path: "d/a.jpg",
  });
  expect(
    signItemBody({ id: "u", afterFailure: false, crc32: null, parts: [{ number: 1, crc32: "00000000" }] }),
  ).toEqual({
    id: "u",
    parts: [{ number: 1, crc32: "00000000" }],
  });
});

test("a profile is read as it stands, and is the widest where an old server tells none", () => {
  const profile = {
    media_types: ["image/jpeg", "image/x-new"],
    max_file_bytes: 5,
    min_pixels: 1,
    max_pixels: 9,
    max_side_px: 3,
    max_photos: 2,
  };

  expect(parseProfile(profile)).toEqual({
    ok: true,
    value: {
      mediaTypes: ["image/jpeg", "image/x-new"],
      maxFileBytes: 5,
      minPixels: 1,
      maxPixels: 9,
      maxSidePx: 3,
      maxPhotos: 2,
    },
  });
  expect(parseProfile(undefined)).toEqual({ ok: true, value: WIDEST_PROFILE });
  expect(parseProfile({ ...profile, media_types: [7] })).toMatchObject({ ok: false });
});
