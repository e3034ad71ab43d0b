import type { Channel, OpenChannel } from "../io/tab-channel.ts";
import type { TabLocks } from "../io/tab-lock.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Engine } from "./engine.ts";
import { heldKey, heldKeysOf } from "./held-files.ts";
import type { Inheritance } from "./mirror.ts";
import type { EngineReport } from "./port.ts";
import type { Report, ViewerId } from "./reporter.ts";
import {
  type Call,
  callsName,
  type Deed,
  type FromViewer,
  lineName,
  type PageRequest,
  type ToViewer,
} from "./tab-words.ts";
import { Trickle } from "./trickle.ts";

export type LedEngine = Pick<Engine, "attach" | "forget" | "handle" | "nextToHold">;
/** A file is over, or this browser keeps its bytes: no tab needs to hold it any more. */
export type OnFreed = (galleryId: string, fileId: string) => void;
export type StartEngine = (report: Report, onFreed: OnFreed) => LedEngine;

export type Neighbours = {
  readonly accountId: string;
  readonly clock: Clock;
  readonly locks: Pick<TabLocks, "whenGone">;
  readonly openChannel: OpenChannel;
};

export type HubPorts = {
  /** This tab's own page. */
  readonly viewerId: ViewerId;
  readonly startEngine: StartEngine;
  readonly tellPage: (reports: readonly EngineReport[]) => void;
  /** Null where no other tab can be known of. */
  readonly neighbours: Neighbours | null;
};

type Viewer = {
  readonly line: Channel<ToViewer>;
  readonly outbox: Outbox;
  lastTaken: number;
  /** Files that it holds as well: whoever leads next has them, also those that were chosen elsewhere. */
  readonly held: Set<string>;
  readonly sharing: Trickle;
};

/** The tab that leads: its engine, its own page and the mirrors in other tabs. */
export class Hub {
  readonly #ports: HubPorts;
  readonly #engine: LedEngine;
  readonly #page: Outbox;
  readonly #viewers = new Map<ViewerId, Viewer>();
  #freed = new Map<string, string[]>();
  #lastTally: EngineReport | null = null;

  constructor(ports: HubPorts, { held, views, deeds }: Inheritance) {
    this.#ports = ports;
    this.#page = new Outbox(ports.tellPage);
    this.#engine = ports.startEngine(
      (report, to) => this.#report(report, to),
      (galleryId, fileId) => this.#free(galleryId, fileId),
    );
    for (const add of held) this.#engine.attach(add);
    for (const request of [...views, ...deeds]) this.send(request);
    if (ports.neighbours !== null) this.#callNeighbours(ports.neighbours);
  }

  /** What this tab's own page asks. */
  send(request: PageRequest): void {
    this.#handle(request, this.#ports.viewerId);
  }

  #handle(request: PageRequest, viewerId: ViewerId): void {
    this.#engine.handle(request, viewerId);
    if (request.type !== "add") return;
    const chooser = this.#viewers.get(viewerId);
    if (chooser !== undefined) for (const key of heldKeysOf(request)) chooser.held.add(key);
    for (const { sharing } of this.#viewers.values()) sharing.start();
  }

  #shareNext(viewerId: ViewerId): boolean {
    const viewer = this.#viewers.get(viewerId);
    const add = viewer === undefined ? null : this.#engine.nextToHold(viewer.held);
    if (viewer === undefined || add === null) return false;
    for (const key of heldKeysOf(add)) viewer.held.add(key);
    viewer.line.say({ type: "hold", add });
    return true;
  }

  #callNeighbours(neighbours: Neighbours): void {
    const calls = neighbours.openChannel<Call, Call>(callsName(neighbours.accountId), (call) => {
      if (call.type === "join") this.#join(neighbours, call.viewerId, call.nextNumber);
    });
    calls.say({ type: "lead" });
  }

  #join(neighbours: Neighbours, viewerId: ViewerId, nextNumber: number): void {
    const isNew = !this.#viewers.has(viewerId);
    const viewer = this.#viewers.get(viewerId) ?? this.#meet(neighbours, viewerId, nextNumber);
    viewer.line.say({ type: "joined" });
    if (!isNew) return;
    if (this.#lastTally !== null) viewer.outbox.tell(this.#lastTally);
    viewer.sharing.start();
  }

  #meet(neighbours: Neighbours, viewerId: ViewerId, nextNumber: number): Viewer {
    const { accountId, clock, locks, openChannel } = neighbours;
    const line = openChannel<ToViewer, FromViewer>(lineName(accountId, viewerId), (word) =>
      this.#hear(viewerId, word),
    );
    const outbox = new Outbox((reports) => line.say({ type: "reports", reports }));
    const sharing = new Trickle(clock, () => this.#shareNext(viewerId));
    const viewer = { line, outbox, lastTaken: nextNumber - 1, held: new Set<string>(), sharing };
    this.#viewers.set(viewerId, viewer);
    locks.whenGone(viewerId, () => this.#forget(viewerId));
    return viewer;
  }

  #forget(viewerId: ViewerId): void {
    this.#viewers.get(viewerId)?.line.close();
    this.#viewers.delete(viewerId);
    this.#engine.forget(viewerId);
  }

  #hear(viewerId: ViewerId, word: FromViewer): void {
    switch (word.type) {
      case "view":
        this.#engine.handle(word.request, viewerId);
        break;
      case "attach":
        this.#engine.attach(word.add);
        break;
      case "deed":
        this.#take(viewerId, word.number, word.deed);
        break;
      default:
        word satisfies never;
    }
  }

  #take(viewerId: ViewerId, number: number, deed: Deed): void {
    const viewer = this.#viewers.get(viewerId);
    if (viewer === undefined) return;
    if (number > viewer.lastTaken) {
      viewer.lastTaken = number;
      this.#handle(deed, viewerId);
    }
    viewer.line.say({ type: "taken", number });
  }

  #report(report: EngineReport, to: ViewerId | undefined): void {
    if (to === undefined || to === this.#ports.viewerId) this.#page.tell(report);
    if (to !== undefined) this.#viewers.get(to)?.outbox.tell(report);
    else for (const { outbox } of this.#viewers.values()) outbox.tell(report);
    if (report.type === "tally") this.#lastTally = report;
  }

  #free(galleryId: string, fileId: string): void {
    if (this.#viewers.size === 0) return;
    if (this.#freed.size === 0) queueMicrotask(() => this.#tellFreed());
    const fileIds = this.#freed.get(galleryId) ?? [];
    fileIds.push(fileId);
    this.#freed.set(galleryId, fileIds);
  }

  /** At once: a file that is removed here must not come back from there when this tab dies. */
  #tellFreed(): void {
    for (const [galleryId, fileIds] of this.#freed) {
      for (const { line, held } of this.#viewers.values()) {
        for (const fileId of fileIds) held.delete(heldKey(galleryId, fileId));
        line.say({ type: "let_go", galleryId, fileIds });
      }
    }
    this.#freed = new Map();
  }
}

/** What is told at one moment goes in one message: the page draws one frame for it. */
class Outbox {
  readonly #send: (reports: readonly EngineReport[]) => void;
  #reports: EngineReport[] = [];

  constructor(send: (reports: readonly EngineReport[]) => void) {
    this.#send = send;
  }

  tell(report: EngineReport): void {
    this.#reports.push(report);
    if (this.#reports.length > 1) return;
    queueMicrotask(() => {
      const reports = this.#reports;
      this.#reports = [];
      this.#send(reports);
    });
  }
}
