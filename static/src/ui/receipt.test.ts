import { expect, test } from "vitest";
import type { ReceiptLine } from "../engine/port.ts";
import { fileNameOf, receiptCsv } from "./receipt.ts";

const SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

test("each file is a line with all that a person needs to format the card", () => {
  expect(
    receiptCsv([
      line({}),
      line({ name: "2.jpg", isVerified: false, crc32: null, sha256: null, where: null }),
    ]),
  ).toBe(
    "name,path,bytes,crc32,sha256,verified,where\r\n" +
      `1.jpg,June/1.jpg,2000000,00e12345,${SHA256},yes,https://photos.example/galleries/g/photos/p/\r\n` +
      "2.jpg,June/1.jpg,2000000,,,no,\r\n",
  );
});

test("it begins with its header and no mark of an encoding", () => {
  expect(receiptCsv([]).charCodeAt(0)).toBe("n".charCodeAt(0));
});

test.each([
  ['a "good" one.jpg', '"a ""good"" one.jpg"'],
  ["a, b.jpg", '"a, b.jpg"'],
  ["two\nlines.jpg", '"two\nlines.jpg"'],
  ["=HYPERLINK(1).jpg", "'=HYPERLINK(1).jpg"],
  ["+1.jpg", "'+1.jpg"],
  ["-1.jpg", "'-1.jpg"],
  ["@SUM.jpg", "'@SUM.jpg"],
  ["\t=1.jpg", "'\t=1.jpg"],
  ['\r=1".jpg', '"\'\r=1"".jpg"'],
])("the name %j is written %j", (name, written) => {
  expect(
    receiptCsv([line({ name })])
      .split("\r\n")
      .slice(1, -1)
      .join("\r\n"),
  ).toBe(`${written},June/1.jpg,2000000,00e12345,${SHA256},yes,https://photos.example/galleries/g/photos/p/`);
});

test.each([
  ["Island, June", "Island, June receipt.csv"],
  ["../a/b: c?", "a b c receipt.csv"],
  [" . ", "Upload receipt.csv"],
  ["x".repeat(200), `${"x".repeat(80)} receipt.csv`],
])("a receipt of %j is a file named %j", (title, name) => {
  expect(fileNameOf(title, " receipt.csv")).toBe(name);
});

function line(more: Partial<ReceiptLine>): ReceiptLine {
  return {
    name: "1.jpg",
    relativePath: "June/1.jpg",
    sizeBytes: 2_000_000,
    isVerified: true,
    crc32: "00e12345",
    sha256: SHA256,
    where: "https://photos.example/galleries/g/photos/p/",
    reasons: [],
    ...more,
  };
}
