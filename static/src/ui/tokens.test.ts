import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const tokens = readTokens(readFileSync("static/css/tokens.css", "utf8"));
const THEMES = ["paper", "darkroom"] as const;
type Theme = (typeof THEMES)[number];

// WCAG 2.2, 1.4.3 and 1.4.11
const TEXT = 4.5;
const LARGE_OR_ICON = 3;

const TEXT_PAIRS = [
  ["ink", "surface-0"],
  ["ink", "surface-1"],
  ["ink-quiet", "surface-0"],
  ["ink-quiet", "surface-1"],
  ["lamp", "surface-0"],
  ["waiting", "surface-0"],
  ["done", "surface-0"],
  ["on-lamp", "lamp"],
  ["on-lamp", "lamp-deep"],
] as const;

const ICON_PAIRS = [
  ["done", "surface-1"],
  ["waiting", "surface-1"],
  ["lamp", "surface-1"],
  ["edge", "surface-0"],
] as const;

describe.each(THEMES)("on %s", (theme) => {
  test.each(TEXT_PAIRS)("%s can be read on %s", (text, ground) => {
    expect(contrast(color(text, theme), color(ground, theme))).toBeGreaterThanOrEqual(TEXT);
  });

  test.each(ICON_PAIRS)("%s can be seen on %s", (mark, ground) => {
    expect(contrast(color(mark, theme), color(ground, theme))).toBeGreaterThanOrEqual(LARGE_OR_ICON);
  });
});

test("a colour that fails is caught", () => {
  expect(contrast([0x9b, 0x94, 0x8b], [0xfa, 0xf9, 0xf7])).toBeLessThan(LARGE_OR_ICON);
});

type Rgb = readonly [number, number, number];

function readTokens(css: string): Map<string, Record<Theme, string>> {
  const found = css.matchAll(/--([a-z0-9-]+):\s*light-dark\((#[0-9a-f]{6}),\s*(#[0-9a-f]{6})\)/g);
  return new Map(
    Array.from(found, ([, name, paper, darkroom]) => [
      name ?? "",
      { paper: paper ?? "", darkroom: darkroom ?? "" },
    ]),
  );
}

function color(name: string, theme: Theme): Rgb {
  const hex = tokens.get(name)?.[theme] ?? "";
  const value = Number.parseInt(hex.slice(1), 16);
  expect(hex, `--${name}`).toMatch(/^#[0-9a-f]{6}$/);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function contrast(one: Rgb, other: Rgb): number {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(rgb: Rgb): number {
  const [red = 0, green = 0, blue = 0] = rgb.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
