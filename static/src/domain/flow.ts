// Pure: how many bodies an origin is sent at a time. As TCP does: half of them after a refusal for load, one more
// after each round that went well. A dead network says nothing about load and is told to nobody here.
import { MINUTE_MS } from "../kernel/units.ts";
import { backoffMs, STORE_BACKOFF } from "./retry.ts";

export type Flow = {
  readonly most: number;
  /** Within 1 … most. */
  readonly limit: number;
  /** Requests that went well since the limit last changed. */
  readonly wellCount: number;
  readonly throttledInARow: number;
  /** What began before was sent at the old pace: its refusal says nothing new. */
  readonly slowedAtMs: number;
  /** Nothing begins before. */
  readonly restUntilMs: number;
};

export type Throttle = {
  readonly startedAtMs: number;
  readonly nowMs: number;
  /** What the origin asked for, or null where it said nothing (or nothing that can be read). */
  readonly retryAfterMs: number | null;
  /** In [0, 1). */
  readonly random: number;
};

/** Whoever asks for more is asked again after this: nobody waits for ever on one wrong header. */
export const LONGEST_REST_MS = 5 * MINUTE_MS;
/** So much later at most than was asked for, that not all come back at one moment. */
const RETRY_JITTER = 0.1;

export function openFlow(most: number): Flow {
  return {
    most,
    limit: most,
    wellCount: 0,
    throttledInARow: 0,
    slowedAtMs: Number.NEGATIVE_INFINITY,
    restUntilMs: Number.NEGATIVE_INFINITY,
  };
}

export function afterSuccess(flow: Flow): Flow {
  const wellCount = flow.wellCount + 1;
  const isRoundOver = wellCount >= flow.limit;
  return {
    ...flow,
    limit: isRoundOver ? Math.min(flow.most, flow.limit + 1) : flow.limit,
    wellCount: isRoundOver ? 0 : wellCount,
    throttledInARow: 0,
  };
}

/** All of one round are refused together: that counts once. */
export function afterThrottle(flow: Flow, throttle: Throttle): Flow {
  if (throttle.startedAtMs < flow.slowedAtMs) return afterBusy(flow, throttle);
  const slower: Flow = {
    ...flow,
    limit: Math.max(1, Math.floor(flow.limit / 2)),
    wellCount: 0,
    throttledInARow: flow.throttledInARow + 1,
    slowedAtMs: throttle.nowMs,
  };
  const waitMs = backoffMs(STORE_BACKOFF, flow.throttledInARow, throttle.random);
  return afterBusy(slower, { ...throttle, retryAfterMs: throttle.retryAfterMs ?? waitMs });
}

/** The origin asks for time, whoever asked it for what: all wait. */
export function afterBusy(flow: Flow, { nowMs, retryAfterMs, random }: Omit<Throttle, "startedAtMs">): Flow {
  if (retryAfterMs === null) return flow;
  const restMs = Math.min(LONGEST_REST_MS, retryAfterMs * (1 + RETRY_JITTER * random));
  return { ...flow, restUntilMs: Math.max(flow.restUntilMs, nowMs + restMs) };
}
