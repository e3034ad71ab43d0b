// Pure: how long to wait before asking again.
import { SECOND_MS } from "../kernel/units.ts";

export type Backoff = { readonly firstMs: number; readonly longestMs: number };

export const API_BACKOFF: Backoff = { firstMs: 500, longestMs: 30 * SECOND_MS };
/** Where nothing comes back nobody is burdened by the question, and a person waits for the first byte. */
const PROBE_BACKOFF: Backoff = { firstMs: 500, longestMs: 2 * SECOND_MS };
const QUICK_PROBES = 16;
const SHORTEST_PROBE_MS = 2.5 * SECOND_MS;
const LONGEST_PROBE_MS = 20 * SECOND_MS;
export const STORE_BACKOFF: Backoff = { firstMs: SECOND_MS, longestMs: 60 * SECOND_MS };
/** With jitter these rounds take ten minutes on average; then a person is asked. */
export const MAX_STORE_TROUBLES = 25;

/**
 * "Full jitter": anywhere between nothing and the ceiling, so that a thousand clients do not come back as one.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 *
 * `attempt` counts from 0; `random` is in [0, 1).
 */
export function backoffMs(backoff: Backoff, attempt: number, random: number): number {
  const ceilingMs = Math.min(backoff.longestMs, backoff.firstMs * 2 ** Math.min(attempt, 20));
  return Math.round(ceilingMs * random);
}

/** Milliseconds a `Retry-After` asks for (seconds, or an HTTP date), or null where it says nothing sensible. */
export function retryAfterMs(header: string | null, dateNowMs: number): number | null {
  if (header === null || header.trim() === "") return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return seconds >= 0 ? seconds * SECOND_MS : null;
  const dateMs = Date.parse(header);
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - dateNowMs);
}

/** How long to wait before asking again whether anybody is there: for a minute or so, not long. */
export function probePauseMs(attempt: number, random: number): number {
  return attempt < QUICK_PROBES
    ? backoffMs(PROBE_BACKOFF, attempt, random)
    : backoffMs(API_BACKOFF, attempt, random);
}

/** How long that question waits for its answer. Lines on which a first answer takes seconds have their turn later. */
export function probeWithinMs(attempt: number): number {
  const doublings = Math.floor(attempt / (QUICK_PROBES / 2));
  return Math.min(LONGEST_PROBE_MS, SHORTEST_PROBE_MS * 2 ** doublings);
}
