import fc from "fast-check";
import { expect, test } from "vitest";
import { groupShots, inOrderOfSending, ShotIndex, shotPartOf } from "./shots.ts";

function grouped(...paths: string[]): readonly (readonly string[])[] {
  return groupShots(paths, shotPartOf);
}

test.each([
  ["a RAW and its JPEG", ["a/IMG_1.CR3", "a/IMG_1.JPG"], 1],
  ["whatever the case", ["a/IMG_1.cr3", "a/img_1.Jpg"], 1],
  ["with notes of either kind", ["IMG_1.NEF", "IMG_1.JPG", "IMG_1.xmp", "IMG_1.NEF.xmp", "IMG_1.jpg.XMP"], 1],
  ["a RAW and its HEIC", ["P1.DNG", "P1.HEIC"], 1],
  ["a RAW and its conversion to DNG", ["P1.CR2", "P1.DNG"], 1],
  ["another folder", ["a/IMG_1.CR3", "b/IMG_1.JPG"], 2],
  ["another number", ["IMG_1.CR3", "IMG_11.JPG"], 2],
  ["no RAW", ["IMG_1.JPG", "IMG_1.HEIC", "IMG_1.xmp"], 3],
  ["what a person exported", ["IMG_1.CR3", "IMG_1.png", "IMG_1.tif"], 3],
  ["a dot in a folder's name", ["a.cr3/x", "a.jpg/x"], 2],
  ["a name that is nothing but an ending", [".cr3", ".jpg"], 2],
] as const)("%s: %j are %i rows", (_, paths, count) => {
  expect(grouped(...paths)).toHaveLength(count);
});

test("the picture of a shot goes before its RAW, and other files keep their place", () => {
  const paths = ["b.jpg", "a.cr3", "c.png", "a.xmp", "a.jpg", "d.jpg"];

  expect(inOrderOfSending(paths, shotPartOf)).toEqual(["b.jpg", "a.jpg", "a.xmp", "a.cr3", "c.png", "d.jpg"]);
});

const anyPath = fc
  .tuple(
    fc.constantFrom("", "a/", "A/", "b.c/"),
    fc.constantFrom("1", "2", "ü", "u\u0308", "x.y"),
    fc.constantFrom(".CR3", ".jpg", ".HEIC", ".xmp", ".cr3.xmp", ".png", ""),
  )
  .map((parts) => parts.join(""));

test("every file is in exactly one group, first come first, and a larger group has a RAW", () => {
  fc.assert(
    fc.property(fc.uniqueArray(anyPath, { maxLength: 40 }), (paths) => {
      const groups = grouped(...paths);

      expect(groups.flat().sort()).toEqual([...paths].sort());
      const firsts = groups.map(([first]) => paths.indexOf(first ?? ""));
      expect(firsts).toEqual([...firsts].sort((one, other) => one - other));
      for (const group of groups.filter(({ length }) => length > 1)) {
        expect(group.some((path) => shotPartOf(path).kind === "raw")).toBe(true);
        expect(new Set(group.map((path) => shotPartOf(path).key)).size).toBe(1);
      }
    }),
    { seed: 3, numRuns: 2_000 },
  );
});

test("the order in which files come changes no group", () => {
  fc.assert(
    fc.property(fc.uniqueArray(anyPath, { maxLength: 30 }), (paths) => {
      const asSets = (order: readonly string[]): string[] =>
        grouped(...order)
          .map((group) => [...group].sort().join("|"))
          .sort();

      expect(asSets([...paths].reverse())).toEqual(asSets(paths));
    }),
    { seed: 4, numRuns: 1_000 },
  );
});

test.each([
  ["the RAW and its JPEG", "a/IMG_1.xmp", ["a/IMG_1.CR3", "a/IMG_1.JPG"], ["a/IMG_1.CR3", "a/IMG_1.JPG"]],
  ["that which they name", "a/IMG_1.cr3.XMP", ["a/IMG_1.CR3", "a/IMG_1.JPG"], ["a/IMG_1.CR3"]],
  ["the shot, where what they name is not there", "IMG_1.NEF.xmp", ["IMG_1.JPG"], ["IMG_1.JPG"]],
  ["what the camera made, not what was exported", "IMG_1.xmp", ["IMG_1.tif", "IMG_1.CR3"], ["IMG_1.CR3"]],
  ["what was exported, where there is nothing else", "IMG_1.xmp", ["IMG_1.tif"], ["IMG_1.tif"]],
  ["an export that they name", "IMG_1.tif.xmp", ["IMG_1.tif", "IMG_1.CR3"], ["IMG_1.tif"]],
  ["no photo of another folder", "a/IMG_1.xmp", ["b/IMG_1.CR3"], []],
  ["no photo of another number", "IMG_1.xmp", ["IMG_11.CR3"], []],
  ["a name in other Unicode", "\u00fc.xmp", ["u\u0308.CR3"], ["u\u0308.CR3"]],
] as const)("notes are about %s", (_, notes, photos, expected) => {
  expect(new ShotIndex<string>(photos, (path) => path).about(notes)).toEqual(expected);
});
