// Pure: what the server's totals of a gallery come to. Twin of galleries/ports.py.
import type { Totals } from "./wire.ts";

const OPEN_STATES = ["registered", "signed", "uploading", "uploaded", "verifying"];

/** Files that are still on their way. */
export function openCountOf({ files }: Totals): number {
  return OPEN_STATES.reduce((sum, state) => sum + (files[state] ?? 0), 0);
}

/** A hundred only when every file is verified, not when the last byte has arrived. */
export function percentOfTotals(totals: Totals): number {
  if (openCountOf(totals) === 0) return (totals.files["verified"] ?? 0) > 0 ? 100 : 0;
  if (totals.bytesTotal === 0) return 0;
  return Math.min(99, Math.floor((totals.bytes / totals.bytesTotal) * 100));
}
