import { describe, expect, test } from "vitest";
import { percentOfTotals } from "./totals.ts";
import { parseOverallMessage } from "./wire.ts";

function totals(files: Readonly<Record<string, number>>, bytes: number) {
  const counts = { stagedCount: 0, photoCount: 0, byteCount: 0 };
  return { bytes, bytesTotal: 100, files, bytesPerS: null, secondsLeft: null, ...counts };
}

describe("a hundred is said of what is verified alone", () => {
  test.each([
    [{}, 0, 0],
    [{ registered: 2 }, 0, 0],
    [{ uploading: 2 }, 50, 50],
    [{ uploaded: 2 }, 100, 99],
    [{ verifying: 1, verified: 1 }, 100, 99],
    [{ verified: 2 }, 100, 100],
    [{ verified: 1, failed: 1 }, 50, 100],
    [{ failed: 2 }, 0, 0],
    [{ cancelled: 1 }, 0, 0],
  ])("%j with %d bytes of 100: %d", (files, bytes, percent) => {
    expect(percentOfTotals(totals(files, bytes))).toBe(percent);
  });
});

test("what is said of all galleries is read, and what is none of it is refused", () => {
  const said = { bytes: 1, bytes_total: 2, files: {}, rate: null, seconds_left: null };

  const progress = parseOverallMessage({ type: "progress", gallery_id: "a", totals: said, overall: said });
  const snapshot = parseOverallMessage({ type: "snapshot", galleries: [], overall: said });

  expect(progress.ok && progress.value.type === "progress" && progress.value.totals.bytesTotal).toBe(2);
  expect(snapshot.ok && snapshot.value.type).toBe("snapshot");
  expect(parseOverallMessage({ type: "uploads" }).ok).toBe(false);
});
