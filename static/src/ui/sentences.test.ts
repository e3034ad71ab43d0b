import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { hasSentence, sentenceAbout, sentenceOf } from "./sentences.ts";

const CODE_IN_PYTHON = /\bcode(?:, status(?:, retryable)?)?(?:: [A-Za-z[\]]+)? = "([a-z_]+)"/g;
// What the engine finds by itself, beside the server's words.
const CODES_OF_THE_ENGINE = [
  "not_an_image",
  "empty_file",
  "file_too_large",
  "too_few_pixels",
  "too_many_pixels",
  "type_not_taken",
  "too_long_side",
  "offline",
  "sign_in",
  "file_needed",
  "expired",
  "malformed_answer",
  "server_error",
  "lane_unsupported",
  "duplicate",
];

/** What a person can do, or that there is nothing to do. */
const NEXT_STEP =
  /\b(add|ask|choose|delete|download|load|open|publish|retry|save|shorten|sign in|start|wait|go(?:es)? on|left out|look for|already|stays?|keep both|is shown|are shown|by itself)\b/i;

describe("a sentence", () => {
  test.each(codesOfThePage())("is there for %s of docs/protocol.md", (code) => {
    expect(hasSentence(code)).toBe(true);
  });

  test("names a next step", () => {
    const codes = [...codesOfTheServer(), ...codesOfThePage(), ...CODES_OF_THE_ENGINE];
    const sentences = codes.flatMap((code) => [sentenceOf(code), sentenceAbout(code, 2)]);

    expect([...new Set(sentences)].filter((sentence) => !NEXT_STEP.test(sentence))).toEqual([]);
  });

  test.each(codesOfTheServer())("is there for %s of the server", (code) => {
    expect(hasSentence(code)).toBe(true);
  });

  test.each(CODES_OF_THE_ENGINE)("is there for %s of the engine", (code) => {
    expect(hasSentence(code)).toBe(true);
  });

  test("for a code nobody knows still says what to do", () => {
    expect(sentenceOf("constructor")).toContain("retry");
    expect(sentenceAbout("brand_new", 3)).toContain("3 photos");
  });

  test("has no exclamation mark and none of the machine's words", () => {
    const jargon =
      /!|\b(multipart|presigned|session|chunk|HTTP|blob|upload id|checksum|server|socket|batch|token)\b/i;

    for (const code of [...codesOfTheServer(), ...CODES_OF_THE_ENGINE]) {
      expect([sentenceOf(code), sentenceAbout(code, 2)].filter((sentence) => jargon.test(sentence))).toEqual(
        [],
      );
    }
  });

  test("about a group says how many, unless it is about the page", () => {
    expect(sentenceAbout("not_an_image", 3)).toBe("3 files are not photos and were left out.");
    expect(sentenceAbout("gallery_full", 212)).toBe("This gallery is full. 212 were left out.");
  });
});

/** The table of codes that programs of others rely on. */
function codesOfThePage(): string[] {
  const page = readFileSync("docs/protocol.md", "utf8");
  const table = page.slice(page.indexOf("\n## Codes\n")).split("\n## ")[1] ?? "";
  const codes = Array.from(table.matchAll(/^\| `([a-z_]+)` \|/gm), ([, code]) => code ?? "");
  if (codes.length === 0) throw new Error("docs/protocol.md has no table of codes");
  return codes;
}

function codesOfTheServer(): string[] {
  const files = ["galleries", "uploads"].flatMap((app) =>
    readdirSync(app)
      .filter((name) => name.endsWith("errors.py"))
      .map((name) => `${app}/${name}`),
  );
  return files.flatMap((file) =>
    Array.from(readFileSync(file, "utf8").matchAll(CODE_IN_PYTHON), ([, code]) => code ?? ""),
  );
}
