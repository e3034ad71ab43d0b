import type { OpenChannel } from "../io/tab-channel.ts";
import type { TabLocks } from "../io/tab-lock.ts";
import type { Clock } from "../kernel/clock.ts";
import { Hub, type Neighbours, type StartEngine } from "./hub.ts";
import { type Inheritance, Mirror } from "./mirror.ts";
import type { EngineReport } from "./port.ts";
import type { PageRequest } from "./tab-words.ts";

export type TabPorts = {
  /** Null where nobody is signed in: then each tab is on its own. */
  readonly accountId: string | null;
  readonly clock: Clock;
  /** Names this tab among all. */
  readonly viewerId: string;
  readonly locks: TabLocks;
  readonly openChannel: OpenChannel;
  readonly startEngine: StartEngine;
  readonly tellPage: (reports: readonly EngineReport[]) => void;
};

const NOTHING: Inheritance = { held: [], views: [], deeds: [] };

/** One tab's part in the uploads of an account: it mirrors until it may lead, then leads until it ends. */
export class Tab {
  readonly #ports: TabPorts;
  #role: Mirror | Hub;
  #isSignedOut = false;

  constructor(ports: TabPorts) {
    this.#ports = ports;
    if (ports.accountId === null) {
      this.#role = this.#hub(NOTHING, null);
    } else {
      const tellPage = (reports: readonly EngineReport[]): void => this.#passOn(reports);
      const mirror = new Mirror({ ...ports, accountId: ports.accountId, tellPage });
      this.#role = mirror;
      this.#takePart(mirror, ports.accountId);
    }
  }

  send(request: PageRequest): void {
    this.#role.send(request);
  }

  #takePart(mirror: Mirror, accountId: string): void {
    const { clock, locks, openChannel, viewerId } = this.#ports;
    void locks.leadWhenFree(accountId).then((lead) => {
      this.#lead(mirror, lead === "alone" ? null : { accountId, clock, locks, openChannel });
    });
    void locks.beThere(viewerId).then(() => {
      if (this.#role === mirror) mirror.start();
    });
  }

  #lead(mirror: Mirror, neighbours: Neighbours | null): void {
    // The leader has stopped because somebody signed out: nobody is to go on with what it left.
    if (!this.#isSignedOut) this.#role = this.#hub(mirror.end(), neighbours);
  }

  #hub(inheritance: Inheritance, neighbours: Neighbours | null): Hub {
    return new Hub({ ...this.#ports, neighbours }, inheritance);
  }

  #passOn(reports: readonly EngineReport[]): void {
    this.#isSignedOut ||= reports.some(({ type }) => type === "signed_out");
    this.#ports.tellPage(reports);
  }
}
