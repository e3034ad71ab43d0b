import type { Clock } from "../kernel/clock.ts";
import { MINUTE_MS } from "../kernel/units.ts";

/** What is worth a line: what went wrong, and what was done about it. */
export type FlightWord =
  | "cut_off"
  | "failed"
  | "offline"
  | "online"
  | "put_failed"
  | "reconnected"
  | "refused"
  | "rest"
  | "resumed"
  | "silence"
  | "stalled"
  | "status"
  | "throttled"
  | "woken";

export type FlightFacts = Readonly<Record<string, number | string | null>>;

export const MAX_LINES = 2_000;
/** Enough to find the file in the list of uploads, and nothing of its name. */
const FILE_DIGITS = 8;

type Minute = { readonly index: number; stored: number; unstored: number; bytes: number };

/**
 * The last lines of what went wrong and when, for whoever looks into it: JSON, a line each. Words and numbers only:
 * no address, token or name can get in, whatever a caller hands over.
 */
export class FlightRecord {
  readonly #clock: Clock;
  readonly #lines: string[] = [];
  #droppedCount = 0;
  #minute: Minute;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#minute = this.#newMinute();
  }

  note(word: FlightWord, facts: FlightFacts = {}): void {
    this.#turnMinute();
    this.#write(word, facts);
  }

  /** A body has ended; of all of them only the count of each minute is kept. */
  countPut(isStored: boolean): void {
    this.#turnMinute();
    if (isStored) this.#minute.stored += 1;
    else this.#minute.unstored += 1;
  }

  countBytes(bytes: number): void {
    this.#turnMinute();
    this.#minute.bytes += bytes;
  }

  text(): string {
    this.#endMinute();
    this.#minute = this.#newMinute();
    const head = JSON.stringify({ lines: this.#lines.length, dropped: this.#droppedCount });
    return `${[head, ...this.#lines].join("\n")}\n`;
  }

  #turnMinute(): void {
    if (this.#minuteIndex() === this.#minute.index) return;
    this.#endMinute();
    this.#minute = this.#newMinute();
  }

  #endMinute(): void {
    const { stored, unstored, bytes } = this.#minute;
    if (stored + unstored + bytes > 0) this.#write("minute", { stored, unstored, bytes });
  }

  #newMinute(): Minute {
    return { index: this.#minuteIndex(), stored: 0, unstored: 0, bytes: 0 };
  }

  #minuteIndex(): number {
    return Math.floor(this.#clock.wallMs() / MINUTE_MS);
  }

  #write(word: FlightWord | "minute", facts: FlightFacts): void {
    const plain = Object.entries(facts).map(([name, fact]) => [name, plainOf(name, fact)]);
    const at = new Date(this.#clock.wallMs()).toISOString();
    this.#lines.push(JSON.stringify({ at, what: word, ...Object.fromEntries(plain) }));
    if (this.#lines.length <= MAX_LINES) return;
    this.#lines.shift();
    this.#droppedCount += 1;
  }
}

function plainOf(name: string, fact: number | string | null): number | string | null {
  if (typeof fact !== "string") return fact;
  if (name === "file") return /^[0-9a-f]+$/.test(fact) ? fact.slice(0, FILE_DIGITS) : "other";
  // Codes of failures come from outside.
  return /^[a-z][a-z_]{0,39}$/.test(fact) ? fact : "other";
}
