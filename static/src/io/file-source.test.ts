import { expect, test } from "vitest";
import { pickedFromInput } from "./file-source.ts";

function fileAt(path: string): File {
  const file = new File(["x"], path.slice(path.lastIndexOf("/") + 1));
  Object.defineProperty(file, "webkitRelativePath", { value: path.includes("/") ? path : "" });
  return file;
}

function pickedPaths(...paths: readonly string[]): readonly string[] {
  const files = paths.map(fileAt) as unknown as FileList;
  return Array.from(pickedFromInput(files))
    .flat()
    .map(({ relativePath }) => relativePath);
}

test("a folder's files come in the order of their names, whatever order the disk has them in", () => {
  const paths = pickedPaths("Trip/IMG_3.jpg", "Trip/b/IMG_0.jpg", "Trip/IMG_1.jpg", "Trip/IMG_2.jpg");

  expect(paths).toEqual(["Trip/IMG_1.jpg", "Trip/IMG_2.jpg", "Trip/IMG_3.jpg", "Trip/b/IMG_0.jpg"]);
});

test("a RAW and its picture stand together, so that they become one shot", () => {
  const others = Array.from({ length: 300 }, (_, index) => `Trip/A_${index}.jpg`);

  const paths = pickedPaths("Trip/IMG_1.CR3", ...others, "Trip/IMG_1.JPG");

  expect(paths.slice(-2)).toEqual(["Trip/IMG_1.CR3", "Trip/IMG_1.JPG"]);
});

test("single files keep the order in which they were chosen", () => {
  expect(pickedPaths("b.jpg", "a.jpg")).toEqual(["b.jpg", "a.jpg"]);
});

test("what systems write into folders was chosen by nobody", () => {
  expect(pickedPaths("Trip/.DS_Store", "Trip/Thumbs.db", "Trip/a.jpg")).toEqual(["Trip/a.jpg"]);
});
