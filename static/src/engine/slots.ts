import { afterBusy, afterSuccess, afterThrottle, type Flow, openFlow } from "../domain/flow.ts";
import type { Cancel, Clock } from "../kernel/clock.ts";

/** What a request carries: a short call of the API, or bytes of a photo. */
export type Load = "call" | "bytes";
export type Release = () => void;

export type SlotPorts = {
  readonly ownOrigin: string;
  readonly clock: Clock;
  readonly random: () => number;
};

/**
 * A browser opens six sockets to an origin under HTTP/1.1. On the page's own, the page itself needs some; and a
 * call must never wait behind bytes that take minutes on a slow line.
 */
const OWN_ORIGIN_REQUESTS = 5;
const OWN_ORIGIN_BYTES = 4;
const OTHER_ORIGIN_REQUESTS = 6;

type Waiter = { readonly load: Load; readonly admit: (release: Release | null) => void };

type Origin = {
  readonly inFlight: Record<Load, number>;
  readonly waiting: Waiter[];
  flow: Flow;
  cancelRest: Cancel | null;
};

/**
 * The requests in flight, by origin. First come, first served, calls before bytes; fewer bodies at once where the
 * origin cannot take them, and nothing at all for as long as it asks for.
 */
export class Slots {
  readonly #ports: SlotPorts;
  readonly #origins = new Map<string, Origin>();

  constructor(ports: SlotPorts) {
    this.#ports = ports;
  }

  /** Null where `signal` aborted before a slot was free. */
  acquire(origin: string, load: Load, signal?: AbortSignal): Promise<Release | null> {
    if (signal?.aborted) return Promise.resolve(null);
    return new Promise((resolve) => {
      const { waiting } = this.#at(origin);
      const waiter: Waiter = {
        load,
        admit: (release) => {
          signal?.removeEventListener("abort", leave);
          resolve(release);
        },
      };
      const leave = (): void => {
        const index = waiting.indexOf(waiter);
        if (index >= 0) waiting.splice(index, 1);
        waiter.admit(null);
      };
      signal?.addEventListener("abort", leave);
      waiting.push(waiter);
      this.#admit(origin);
    });
  }

  /** A body was stored. */
  wentWell(origin: string): void {
    const at = this.#at(origin);
    at.flow = afterSuccess(at.flow);
    this.#admit(origin);
  }

  /** A body that was begun at `startedAtMs` was refused for load. */
  throttle(origin: string, startedAtMs: number, retryAfterMs: number | null): void {
    const at = this.#at(origin);
    const { clock, random } = this.#ports;
    at.flow = afterThrottle(at.flow, { startedAtMs, nowMs: clock.nowMs(), retryAfterMs, random: random() });
  }

  /** The origin asks for time, at whatever request. */
  rest(origin: string, retryAfterMs: number | null): void {
    const at = this.#at(origin);
    const { clock, random } = this.#ports;
    at.flow = afterBusy(at.flow, { nowMs: clock.nowMs(), retryAfterMs, random: random() });
  }

  #at(origin: string): Origin {
    let found = this.#origins.get(origin);
    if (found === undefined) {
      const most = origin === this.#ports.ownOrigin ? OWN_ORIGIN_BYTES : OTHER_ORIGIN_REQUESTS;
      found = { inFlight: { call: 0, bytes: 0 }, waiting: [], flow: openFlow(most), cancelRest: null };
      this.#origins.set(origin, found);
    }
    return found;
  }

  #admit(origin: string): void {
    const { inFlight, waiting } = this.#at(origin);
    if (this.#isResting(origin)) return;
    for (const load of ["call", "bytes"] as const) {
      while (this.#hasRoom(origin, load)) {
        const index = waiting.findIndex((waiter) => waiter.load === load);
        const [waiter] = index < 0 ? [] : waiting.splice(index, 1);
        if (waiter === undefined) break;
        inFlight[load] += 1;
        waiter.admit(this.#releaseOnce(origin, load));
      }
    }
  }

  #isResting(origin: string): boolean {
    const at = this.#at(origin);
    const restMs = at.flow.restUntilMs - this.#ports.clock.nowMs();
    if (restMs <= 0) return false;
    at.cancelRest ??= this.#ports.clock.after(restMs, () => {
      at.cancelRest = null;
      this.#admit(origin);
    });
    return true;
  }

  #hasRoom(origin: string, load: Load): boolean {
    const { inFlight, flow } = this.#at(origin);
    const most = origin === this.#ports.ownOrigin ? OWN_ORIGIN_REQUESTS : OTHER_ORIGIN_REQUESTS;
    return inFlight.call + inFlight.bytes < most && (load === "call" || inFlight.bytes < flow.limit);
  }

  #releaseOnce(origin: string, load: Load): Release {
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      this.#at(origin).inFlight[load] -= 1;
      this.#admit(origin);
    };
  }
}
