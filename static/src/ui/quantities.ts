// Pure: numbers as people read them. Sizes are decimal, as on a memory card.

const KB = 1_000;
const MB = 1_000_000;
const GB = 1_000_000_000;
const MINUTE_S = 60;
const HOUR_S = 3_600;

// No line breaks between a number and its unit.
const SPACE = "\u00a0";

const counts = new Intl.NumberFormat("en");

export function formatCount(count: number): string {
  return counts.format(count);
}

export function formatBytes(bytes: number): string {
  if (bytes < KB) {
    return bytes === 1 ? `1${SPACE}byte` : `${bytes}${SPACE}bytes`;
  }
  if (bytes < MB) {
    return `${Math.round(bytes / KB)}${SPACE}KB`;
  }
  // 999.96 MB would be written "1,000 MB"; it is 1.0 GB.
  return bytes < 999.5 * MB
    ? `${oneDecimalBelowTen(bytes / MB)}${SPACE}MB`
    : `${oneDecimalBelowTen(bytes / GB)}${SPACE}GB`;
}

export function formatSpeed(bytesPerS: number): string {
  return `${formatBytes(Math.round(bytesPerS))}/s`;
}

export function formatTimeLeft(seconds: number): string {
  if (seconds < 45) {
    return "under a minute";
  }
  if (seconds < 59.5 * MINUTE_S) {
    return `about ${Math.max(1, Math.round(seconds / MINUTE_S))} min`;
  }
  return seconds < 36 * HOUR_S
    ? `about ${Math.round(seconds / HOUR_S)} h`
    : `about ${Math.round(seconds / (24 * HOUR_S))} days`;
}

export function photosOf(count: number): string {
  return count === 1 ? "1 photo" : `${formatCount(count)} photos`;
}

export function toBePublished(count: number): string {
  return `${formatCount(count)} ${count === 1 ? "waits" : "wait"} to be published`;
}

export function filesOf(count: number): string {
  return count === 1 ? "1 file" : `${formatCount(count)} files`;
}

function oneDecimalBelowTen(value: number): string {
  return value < 9.95 ? value.toFixed(1) : formatCount(Math.round(value));
}
