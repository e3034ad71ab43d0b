import { isChunkKept } from "../domain/chunk.ts";
import type { SignedRequest } from "../domain/wire.ts";
import type { Clock } from "../kernel/clock.ts";
import { SECOND_MS } from "../kernel/units.ts";

/** 2xx means stored, and 308 to a chunk where it says so; nothing else does. Whatever else a storage says is a hint; the server is asked what it has. */
export type PutOutcome = "stored" | "failed" | "aborted";

export type PutWatch = {
  readonly signal: AbortSignal;
  /** Bytes handed to the network so far; they may still be lost. */
  readonly onMoved: (bytes: number) => void;
};

/**
 * The body is a Blob of the bytes that were read. Alone, Chromium sends it as fast as the ArrayBuffer; under DevTools,
 * and so in every browser test and benchmark, an ArrayBuffer is also written into the protocol's events, which costs
 * 78 ms of CPU a MiB against 10 (Chromium 156, November 2026).
 */
export type PutPart = (request: SignedRequest, body: Blob, watch: PutWatch) => Promise<PutOutcome>;

/** A socket that was cut off (sleep, another network) may never say so: no byte for this long ends the request. */
const STALL_MS = 30 * SECOND_MS;
/** All bytes are handed over, but the last of them may still wait in the system's buffer of a slow line. */
const ANSWER_MS = 120 * SECOND_MS;
/** No redirect, for it names no place: a resumable session waits for the rest. */
const RESUME_INCOMPLETE = 308;

/** XMLHttpRequest, since fetch tells nothing of the progress of what it sends. */
export function xhrPut(clock: Clock): PutPart {
  return (request, body, watch) =>
    new Promise((resolve) => {
      if (watch.signal.aborted) {
        resolve("aborted");
        return;
      }
      const xhr = new XMLHttpRequest();
      const abort = (): void => xhr.abort();
      const watchdog = new Watchdog(clock, abort);
      const finish = (outcome: PutOutcome): void => {
        watchdog.stop();
        watch.signal.removeEventListener("abort", abort);
        resolve(watch.signal.aborted && outcome !== "stored" ? "aborted" : outcome);
      };
      xhr.upload.onprogress = (event) => {
        watchdog.expect(STALL_MS);
        watch.onMoved(event.loaded);
      };
      xhr.upload.onload = () => watchdog.expect(ANSWER_MS);
      xhr.onload = () => finish(isStored(xhr, request) ? "stored" : "failed");
      xhr.onerror = () => finish("failed");
      xhr.onabort = () => finish("failed");
      watch.signal.addEventListener("abort", abort);
      xhr.open(request.method, request.url);
      for (const [name, value] of Object.entries(request.headers)) xhr.setRequestHeader(name, value);
      watchdog.expect(STALL_MS);
      xhr.send(body);
    });
}

function isStored(xhr: XMLHttpRequest, request: SignedRequest): boolean {
  if (xhr.status === RESUME_INCOMPLETE) {
    return isChunkKept(request.headers["Content-Range"], xhr.getResponseHeader("Range"));
  }
  return xhr.status >= 200 && xhr.status <= 299;
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
