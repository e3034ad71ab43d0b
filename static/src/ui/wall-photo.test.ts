import { describe, expect, test } from "vitest";
import { mergePhotos, readPhoto, readPhotoPage, type WallKind, type WallPhoto } from "./wall-photo.ts";

const CAPTURED: WallKind = { status: "ready", order: "captured" };

describe("reading photos", () => {
  test("takes what the wall needs of the wire's shape", () => {
    const photo = readPhoto({
      id: "p1",
      name: "IMG_1.jpg",
      size: 12,
      width: 600,
      height: 400,
      version: 3,
      status: "ready",
      captured_at: null,
      sort_at: "2026-06-20T09:00:00Z",
      renditions: [{ name: "grid", url: "/g", width: 400, height: 267 }],
      original_url: "/o",
    });

    expect(photo).toMatchObject({ id: "p1", sizeBytes: 12, grid: { url: "/g", width: 400 }, view: null });
  });

  test("takes the item beside a row that came through the socket", () => {
    expect(readPhoto({ id: "p1", fields: { id: "p1", name: "a.jpg", thumbhash: "abc" } })?.thumbhash).toBe(
      "abc",
    );
  });

  test("leaves out rows that are none and keeps the others", () => {
    const refused = { id: "p1", error: { code: "gallery_full" } };
    const page = readPhotoPage({ photos: [null, {}, refused, { id: "p2" }], next_cursor: "c", version: 7 });

    expect([page.photos.length, page.nextCursor, page.version]).toEqual([1, "c", 7]);
  });

  test("of nothing at all is an empty page", () => {
    expect(readPhotoPage(null)).toEqual({ photos: [], nextCursor: null, version: 0 });
  });
});

describe("merging what changed", () => {
  test("puts a new photo where it was taken", () => {
    const merged = mergePhotos([taken("a", 1), taken("c", 3)], [taken("b", 2)], CAPTURED);

    expect(ids(merged)).toEqual(["a", "b", "c"]);
  });

  test("puts it last where the order is that of adding", () => {
    expect(
      ids(mergePhotos([taken("a", 1), taken("c", 3)], [taken("b", 2)], { status: "ready", order: "added" })),
    ).toEqual(["a", "c", "b"]);
  });

  test("takes out what was deleted and keeps the order of the others", () => {
    const merged = mergePhotos(
      [taken("b", 2), taken("a", 1)],
      [{ ...taken("a", 1, 2), status: "deleted" }],
      CAPTURED,
    );

    expect(ids(merged)).toEqual(["b"]);
  });

  test("takes out what is published from what is not, and the other way round", () => {
    const staged = { ...taken("a", 1), status: "staged" };
    const published = taken("a", 1, 2);

    expect(ids(mergePhotos([staged], [published], { status: "staged", order: "captured" }))).toEqual([]);
    expect(ids(mergePhotos([], [staged], CAPTURED))).toEqual([]);
    expect(ids(mergePhotos([], [published], CAPTURED))).toEqual(["a"]);
  });

  test("does not take an older row for a newer one", () => {
    const merged = mergePhotos([taken("a", 1, 5)], [{ ...taken("a", 1, 4), name: "old" }], CAPTURED);

    expect(merged[0]?.name).toBe("a");
  });

  test("twice is the same as once", () => {
    const once = mergePhotos([taken("a", 1)], [taken("b", 2)], CAPTURED);

    expect(mergePhotos(once, [taken("b", 2)], CAPTURED)).toEqual(once);
  });
});

function taken(id: string, minute: number, version = 1): WallPhoto {
  const photo = readPhoto({
    id,
    name: id,
    version,
    status: "ready",
    sort_at: `2026-06-20T09:0${minute}:00Z`,
  });
  if (photo === null) {
    throw new Error("no photo");
  }
  return photo;
}

function ids(photos: readonly WallPhoto[]): string[] {
  return photos.map((photo) => photo.id);
}
