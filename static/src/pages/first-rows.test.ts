import { expect, test } from "vitest";
import { FakeFile, FakeWorld, GALLERY_ID, photo, photoBytes } from "../engine/fake-world.ts";
import type { RowView } from "../engine/port.ts";
import { firstRows } from "./first-rows.ts";

test("files just chosen are the rows that the engine tells of them afterwards, shot by shot", async () => {
  const world = new FakeWorld();
  const chosen = [
    new FakeFile("IMG_1.JPG", photoBytes(2_000, 1)).chosen("day/IMG_1.JPG"),
    new FakeFile("IMG_1.CR3", photoBytes(3_000, 2)).chosen("day/IMG_1.CR3"),
    photo(2).chosen("day/IMG_2.JPG"),
    photo(3).chosen(),
  ];
  const facts = ({ fileId, galleryId, name, relativePath, sizeBytes, parts = [] }: RowView) => ({
    ...{ fileId, galleryId, name, relativePath, sizeBytes },
    parts: parts.map((part) => [part.fileId, part.name]),
  });

  const drawn = firstRows(GALLERY_ID, chosen, 9);
  world.add(chosen);
  await world.pass(1_000);

  expect(drawn.map(facts)).toEqual(world.rowViews().map(facts));
  expect(drawn.map(({ name }) => name)).toContain("IMG_1.JPG + CR3");
  expect(new Set(drawn.map(({ state }) => state))).toEqual(new Set(["inspecting"]));
});

test.each([
  [0, 0],
  [1, 1],
  [2, 2],
  [3, 2],
])("no more rows than there is room for: %i", (room, rowCount) => {
  expect(firstRows(GALLERY_ID, [photo(1).chosen(), photo(2).chosen()], room)).toHaveLength(rowCount);
});
