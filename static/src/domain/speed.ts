// Pure: how fast bytes are stored, smoothed, and how long the rest will take.
import { SECOND_MS } from "../kernel/units.ts";

export type Speed = {
  readonly atMs: number;
  readonly bytes: number;
  /** Null until there is something to tell. */
  readonly bytesPerS: number | null;
};

/** How much of the past counts: long enough not to jump with every part, short enough to follow a new network. */
const MEMORY_MS = 10 * SECOND_MS;
const SHORTEST_SPAN_MS = 500;
/** Below a byte a second nothing moves, and a span of years is no answer. */
const SLOWEST_BYTES_PER_S = 1;

export function standingStill(atMs: number, bytes: number): Speed {
  return { atMs, bytes, bytesPerS: null };
}

/** Exponential moving average, weighted by the time that passed. Bytes that go back (a file removed) start anew. */
export function nextSpeed(speed: Speed, atMs: number, bytes: number): Speed {
  const spanMs = atMs - speed.atMs;
  if (bytes < speed.bytes) return { ...speed, atMs, bytes };
  if (spanMs < SHORTEST_SPAN_MS) return speed;
  const measured = ((bytes - speed.bytes) / spanMs) * SECOND_MS;
  const before = speed.bytesPerS ?? measured;
  const kept = Math.exp(-spanMs / MEMORY_MS);
  return { atMs, bytes, bytesPerS: before * kept + measured * (1 - kept) };
}

export function secondsLeft(speed: Speed, bytesLeft: number): number | null {
  if (speed.bytesPerS === null || speed.bytesPerS < SLOWEST_BYTES_PER_S) return null;
  return Math.ceil(bytesLeft / speed.bytesPerS);
}
