import type { Network } from "../io/network.ts";
import type { Cancel, Clock } from "../kernel/clock.ts";
import { SECOND_MS } from "../kernel/units.ts";

export type LineWatchPorts = {
  readonly clock: Clock;
  readonly network: Pick<Network, "onOnline">;
  /** Whether anything is left to send or to hear of. */
  readonly isWanted: () => boolean;
  /** Milliseconds since any body has moved; null where none is on its way. */
  readonly silentMs: () => number | null;
  /** Bodies are on their way and none moves: somebody is to ask whether the network is there. */
  readonly onSilence: () => void;
  /** Sockets from before may be dead without saying so. */
  readonly onRenewed: (why: "online" | "woken") => void;
};

const LOOK_EVERY_MS = 2 * SECOND_MS;
/** A look that comes later than this was held up by a machine that slept, not by one that was busy. */
const SLEPT_MS = 15 * SECOND_MS;
/**
 * Six bodies on a line of 0.5 Mbit/s still move every second or two, all together; a store may take longer for its
 * answer, so nothing is given up for this alone.
 */
const SILENCE_MS = 10 * SECOND_MS;

/** Notices that the network is another one: after sleep, online again, or swallowed by a line that claims to be there. */
export class LineWatch {
  readonly #ports: LineWatchPorts;
  #cancel: Cancel | null = null;
  #lastMs = 0;
  #lastWallMs = 0;
  #heardOfSilenceMs = Number.NEGATIVE_INFINITY;

  constructor(ports: LineWatchPorts) {
    this.#ports = ports;
    ports.network.onOnline(() => ports.onRenewed("online"));
  }

  /** Something is on its way. Safe to call often. */
  watch(): void {
    if (this.#cancel === null) this.#lookLater();
  }

  #lookLater(): void {
    const { clock } = this.#ports;
    this.#lastMs = clock.nowMs();
    this.#lastWallMs = clock.wallMs();
    this.#cancel = clock.after(LOOK_EVERY_MS, () => this.#look());
  }

  #look(): void {
    this.#cancel = null;
    const { clock, isWanted, onRenewed } = this.#ports;
    // On most systems the monotonic clock stands still during sleep, on some it does not.
    const spanMs = Math.max(clock.nowMs() - this.#lastMs, clock.wallMs() - this.#lastWallMs);
    if (spanMs - LOOK_EVERY_MS > SLEPT_MS) onRenewed("woken");
    else this.#listen();
    if (isWanted()) this.#lookLater();
  }

  #listen(): void {
    const silentMs = this.#ports.silentMs() ?? 0;
    const nowMs = this.#ports.clock.nowMs();
    if (silentMs < SILENCE_MS || nowMs - this.#heardOfSilenceMs < SILENCE_MS) return;
    this.#heardOfSilenceMs = nowMs;
    this.#ports.onSilence();
  }
}
