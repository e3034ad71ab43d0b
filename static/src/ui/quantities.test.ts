import { describe, expect, test } from "vitest";
import { filesOf, formatBytes, formatSpeed, formatTimeLeft, photosOf, toBePublished } from "./quantities.ts";

describe("sizes", () => {
  test.each([
    [0, "0 bytes"],
    [1, "1 byte"],
    [999, "999 bytes"],
    [1_000, "1 KB"],
    [640_400, "640 KB"],
    [999_999, "1000 KB"],
    [1_000_000, "1.0 MB"],
    [9_940_000, "9.9 MB"],
    [9_950_000, "10 MB"],
    [842_000_000, "842 MB"],
    [999_500_000, "1.0 GB"],
    [4_100_000_000, "4.1 GB"],
    [12_400_000_000, "12 GB"],
    [1_204_000_000_000, "1,204 GB"],
  ])("%d bytes are %s", (bytes, words) => {
    expect(formatBytes(bytes)).toBe(words.replace(" ", "\u00a0"));
  });

  test("a speed is a size a second", () => {
    expect(formatSpeed(12_400_000)).toBe("12\u00a0MB/s");
  });
});

describe("the time left", () => {
  test.each([
    [0, "under a minute"],
    [44, "under a minute"],
    [45, "about 1 min"],
    [180, "about 3 min"],
    [3_569, "about 59 min"],
    [3_570, "about 1 h"],
    [7_200, "about 2 h"],
    [172_800, "about 2 days"],
  ])("%d seconds are %s", (seconds, words) => {
    expect(formatTimeLeft(seconds)).toBe(words);
  });
});

test("one is one and many have their thousands apart", () => {
  expect([photosOf(1), photosOf(1_204), filesOf(1), filesOf(0)]).toEqual([
    "1 photo",
    "1,204 photos",
    "1 file",
    "0 files",
  ]);
});

test("one waits and two wait", () => {
  expect([1, 2, 1_204].map(toBePublished)).toEqual([
    "1 waits to be published",
    "2 wait to be published",
    "1,204 wait to be published",
  ]);
});
