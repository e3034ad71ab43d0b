// Pure: the receipt as a table that any spreadsheet opens. RFC 4180: lines end in CRLF, quotes are doubled.

import type { ReceiptLine } from "../engine/port.ts";

const HEAD = ["name", "path", "bytes", "crc32", "sha256", "verified", "where"];
const LINE_END = "\r\n";
/** What a spreadsheet would run as a formula: https://owasp.org/www-community/attacks/CSV_Injection */
const FORMULA = /^[=+\-@\t\r\n]/;

export function receiptCsv(lines: readonly ReceiptLine[]): string {
  return [HEAD, ...lines.map(cellsOf)].map((cells) => cells.map(cell).join(",") + LINE_END).join("");
}

function cellsOf(line: ReceiptLine): readonly string[] {
  return [
    asText(line.name),
    asText(line.relativePath),
    String(line.sizeBytes),
    line.crc32 ?? "",
    line.sha256 ?? "",
    line.isVerified ? "yes" : "no",
    asText(line.where ?? ""),
  ];
}

/** An apostrophe in front keeps a name a name. */
function asText(text: string): string {
  return FORMULA.test(text) ? `'${text}` : text;
}

function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A file name that every system takes. */
export function fileNameOf(title: string, ending: string): string {
  const plain = title
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what no name may hold
    .replace(/[\s\u0000-\u001f\u007f<>:"/\\|?*]+/g, " ")
    .replace(/^[\s.]+|[\s.]+$/g, "")
    .slice(0, 80);
  return `${plain === "" ? "Upload" : plain}${ending}`;
}
