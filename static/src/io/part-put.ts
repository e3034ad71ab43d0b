import { keptBytes } from "../domain/chunk.ts";
import { retryAfterMs } from "../domain/retry.ts";
import type { SignedRequest } from "../domain/wire.ts";
import type { Clock } from "../kernel/clock.ts";
import { SECOND_MS } from "../kernel/units.ts";

/**
 * Only `stored` is believed, and `partial` as far as it goes; whatever else a storage says is a hint: the server is
 * asked what it has.
 */
export type PutOutcome =
  | { readonly kind: "stored" }
  /** A resumable session has every byte of the file before this one, and waits for the next. */
  | { readonly kind: "partial"; readonly storedBytes: number }
  /** Too many requests at once. Where CORS hides the answer, it looks like `failed` with status 0. */
  | { readonly kind: "throttled"; readonly retryAfterMs: number | null }
  /** Status 0: no answer that can be read. */
  | { readonly kind: "failed"; readonly status: number }
  /** No byte moved for too long. */
  | { readonly kind: "stalled" }
  | { readonly kind: "aborted" };

export type PutWatch = {
  readonly signal: AbortSignal;
  /** Bytes handed to the network so far; they may still be lost. */
  readonly onMoved: (bytes: number) => void;
};

/**
 * The body is a file, a part of one, or a Blob of bytes that were read. Alone, Chromium sends such a Blob as fast as the
 * ArrayBuffer; under DevTools, and so in every browser test and benchmark, an ArrayBuffer is also written into the
 * protocol's events, which costs 78 ms of CPU a MiB against 10 (Chromium 156, November 2026).
 */
export type PutPart = (request: SignedRequest, body: Blob, watch: PutWatch) => Promise<PutOutcome>;

/**
 * A socket that was cut off (sleep, another network) may never say so: no byte for this long ends the request. Six
 * parts on a line of 0.5 Mbit/s still move 64 KiB each within 7 s. Nobody waits for this where the network is known
 * to have changed: see engine/line-watch.ts.
 */
export const STALL_MS = 30 * SECOND_MS;
/** All bytes are handed over, but the last of them may still wait in the system's buffer of a slow line. */
export const ANSWER_MS = 120 * SECOND_MS;
/** No redirect, for it names no place: a resumable session waits for the rest. */
const RESUME_INCOMPLETE = 308;
/** S3's SlowDown is a 503. */
const THROTTLED: ReadonlySet<number> = new Set([429, 503]);

/** XMLHttpRequest, since fetch tells nothing of the progress of what it sends. */
export function xhrPut(clock: Clock): PutPart {
  return (request, body, watch) =>
    new Promise((resolve) => {
      if (watch.signal.aborted) {
        resolve({ kind: "aborted" });
        return;
      }
      const xhr = new XMLHttpRequest();
      const abort = (): void => xhr.abort();
      const watchdog = new Watchdog(clock, abort);
      const finish = (outcome: PutOutcome): void => {
        watchdog.stop();
        watch.signal.removeEventListener("abort", abort);
        resolve(watch.signal.aborted && outcome.kind !== "stored" ? { kind: "aborted" } : outcome);
      };
      xhr.upload.onprogress = (event) => {
        watchdog.expect(STALL_MS);
        watch.onMoved(event.loaded);
      };
      xhr.upload.onload = () => watchdog.expect(ANSWER_MS);
      xhr.onload = () => finish(outcomeOf(xhr, request, clock));
      xhr.onerror = () => finish({ kind: "failed", status: 0 });
      xhr.onabort = () => finish({ kind: "stalled" });
      watch.signal.addEventListener("abort", abort);
      xhr.open(request.method, request.url);
      for (const [name, value] of Object.entries(request.headers)) xhr.setRequestHeader(name, value);
      watchdog.expect(STALL_MS);
      xhr.send(body);
    });
}

function outcomeOf(xhr: XMLHttpRequest, request: SignedRequest, clock: Clock): PutOutcome {
  const { status } = xhr;
  if (status >= 200 && status <= 299) return { kind: "stored" };
  if (THROTTLED.has(status)) {
    return {
      kind: "throttled",
      retryAfterMs: retryAfterMs(xhr.getResponseHeader("Retry-After"), clock.wallMs()),
    };
  }
  if (status === RESUME_INCOMPLETE && request.headers["Content-Range"] !== undefined) {
    return { kind: "partial", storedBytes: keptBytes(xhr.getResponseHeader("Range")) };
  }
  return { kind: "failed", status };
}

class Watchdog {
  readonly #clock: Clock;
  readonly #bite: () => void;
  #cancel: () => void = () => {};

  constructor(clock: Clock, bite: () => void) {
    this.#clock = clock;
    this.#bite = bite;
  }

  expect(withinMs: number): void {
    this.#cancel();
    this.#cancel = this.#clock.after(withinMs, this.#bite);
  }

  stop(): void {
    this.#cancel();
  }
}
