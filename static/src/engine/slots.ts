/** What a request carries: a short call of the API, or bytes of a photo. */
export type Load = "call" | "bytes";
export type Release = () => void;

/**
 * A browser opens six sockets to an origin under HTTP/1.1. On the page's own, the page itself needs some; and a
 * call must never wait behind bytes that take minutes on a slow line.
 */
const OWN_ORIGIN_REQUESTS = 5;
const OWN_ORIGIN_BYTES = 4;
const OTHER_ORIGIN_REQUESTS = 6;

type Waiter = { readonly load: Load; readonly admit: (release: Release | null) => void };

/** The requests in flight, by origin. First come, first served, calls before bytes. */
export class Slots {
  readonly #ownOrigin: string;
  readonly #origins = new Map<string, { inFlight: Record<Load, number>; waiting: Waiter[] }>();

  constructor(ownOrigin: string) {
    this.#ownOrigin = ownOrigin;
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

  #at(origin: string): { inFlight: Record<Load, number>; waiting: Waiter[] } {
    let found = this.#origins.get(origin);
    if (found === undefined) {
      found = { inFlight: { call: 0, bytes: 0 }, waiting: [] };
      this.#origins.set(origin, found);
    }
    return found;
  }

  #admit(origin: string): void {
    const { inFlight, waiting } = this.#at(origin);
    for (const load of ["call", "bytes"] as const) {
      while (this.#hasRoom(origin, load, inFlight)) {
        const index = waiting.findIndex((waiter) => waiter.load === load);
        const [waiter] = index < 0 ? [] : waiting.splice(index, 1);
        if (waiter === undefined) break;
        inFlight[load] += 1;
        waiter.admit(this.#releaseOnce(origin, load));
      }
    }
  }

  #hasRoom(origin: string, load: Load, inFlight: Record<Load, number>): boolean {
    const total = inFlight.call + inFlight.bytes;
    if (origin !== this.#ownOrigin) return total < OTHER_ORIGIN_REQUESTS;
    return total < OWN_ORIGIN_REQUESTS && (load === "call" || inFlight.bytes < OWN_ORIGIN_BYTES);
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
