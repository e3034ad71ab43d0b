// Pure: which files are copied into this browser next, and how much of it they may fill.
import { MIB } from "../kernel/units.ts";

/** What a browser says of the room it gives to this site. */
export type Room = { readonly quotaBytes: number; readonly usageBytes: number };

export type Sized = { readonly sizeBytes: number };

/** One transaction: large enough to be cheap, small enough that what it loses with the browser is little. */
const STEP_FILES = 20;
const STEP_BYTES = 64 * MIB;

/** Of what this browser gives, the site itself and the records of the files need their part too. */
const MAX_SHARE = 0.9;
const RESERVE_SHARE = 0.1;
const RESERVE_BYTES = 64 * MIB;
/** Five thousand records of 400 bytes, each written a few times before the old ones are cleared away. */
const RECORD_BYTES = 4 * MIB;

/**
 * How many bytes more may be kept. Null, where a browser does not say, is no limit: it will refuse what it does not
 * take, as Chromium does anyway, whose quota is always 10 GiB above the usage (2026, Chromium 156).
 */
export function roomFor(room: Room | null, keptBytes: number): number {
  if (room === null) return Number.POSITIVE_INFINITY;
  const othersBytes = Math.max(0, room.usageBytes - keptBytes);
  const freeBytes = Math.max(0, room.quotaBytes - othersBytes);
  const reserveBytes = Math.min(RESERVE_SHARE * room.quotaBytes, RESERVE_BYTES);
  const budgetBytes = Math.min(MAX_SHARE * freeBytes, freeBytes - reserveBytes);
  return Math.max(0, Math.floor(budgetBytes) - keptBytes);
}

/**
 * The files of one step, from files in upload order. The earliest that fits is always among them; one that does not
 * fit is passed over, so that it takes no place from later, smaller ones, and is asked first when there is more room.
 */
export function nextToKeep<File extends Sized>(files: Iterable<File>, roomBytes: number): readonly File[] {
  const step: File[] = [];
  let stepBytes = 0;
  for (const file of files) {
    if (stepBytes + file.sizeBytes > roomBytes) continue;
    const isStepFull = step.length > 0 && stepBytes + file.sizeBytes > STEP_BYTES;
    if (isStepFull) break;
    step.push(file);
    stepBytes += file.sizeBytes;
    if (step.length === STEP_FILES) break;
  }
  return step;
}

/**
 * Which of the kept files, in the order they were kept, to let go of again where a browser refused more without having
 * said how much there is: the last ones, since the records of all files must still find room. The first stays.
 */
export function toGiveBack<File extends Sized>(kept: readonly File[]): readonly File[] {
  const keptBytes = kept.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const wantedBytes = Math.min(RECORD_BYTES, RESERVE_SHARE * keptBytes);
  let freedBytes = 0;
  let first = kept.length;
  while (freedBytes < wantedBytes && first > 1) {
    first -= 1;
    freedBytes += kept[first]?.sizeBytes ?? 0;
  }
  return kept.slice(first);
}
