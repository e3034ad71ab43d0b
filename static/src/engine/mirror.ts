import type { Channel, OpenChannel } from "../io/tab-channel.ts";
import type { Clock } from "../kernel/clock.ts";
import { HeldFiles, heldKeysOf } from "./held-files.ts";
import type { EngineReport } from "./port.ts";
import type { ViewerId } from "./reporter.ts";
import {
  type Add,
  type Call,
  callsName,
  type Deed,
  type FromViewer,
  isView,
  lineName,
  type NumberedDeed,
  type PageRequest,
  type ToViewer,
  type ViewRequest,
} from "./tab-words.ts";
import { Trickle } from "./trickle.ts";

export type MirrorPorts = {
  readonly accountId: string;
  readonly clock: Clock;
  readonly viewerId: ViewerId;
  readonly openChannel: OpenChannel;
  readonly tellPage: (reports: readonly EngineReport[]) => void;
};

/** What a tab that begins to lead knows already. */
export type Inheritance = {
  readonly held: readonly Add[];
  readonly views: readonly ViewRequest[];
  readonly deeds: readonly Deed[];
};

/**
 * A tab in which another one's uploads are seen and told what to do. What its page asks is kept until a leader has
 * taken it: asked while there is none, it waits for the next. A deed is done once by each leader that is told of it;
 * told twice, once to a leader that died before it said so, it changes nothing the second time.
 */
export class Mirror {
  readonly #ports: MirrorPorts;
  readonly #held = new HeldFiles();
  readonly #views = new Map<string, ViewRequest>();
  readonly #attaching: Trickle;
  /** Files that this leader was given from here. */
  #attached = new Set<string>();
  #untaken: NumberedDeed[] = [];
  #lastNumber = 0;
  #calls: Channel<Call> | null = null;
  #line: Channel<FromViewer> | null = null;
  #isJoined = false;

  constructor(ports: MirrorPorts) {
    this.#ports = ports;
    this.#attaching = new Trickle(ports.clock, () => this.#attachNext());
  }

  /** Looks for the leader. Before this, what is asked waits. */
  start(): void {
    const { accountId, viewerId, openChannel } = this.#ports;
    this.#line = openChannel<FromViewer, ToViewer>(lineName(accountId, viewerId), (word) => this.#hear(word));
    this.#calls = openChannel<Call, Call>(callsName(accountId), ({ type }) => {
      if (type === "lead") this.#join();
    });
    this.#join();
  }

  send(request: PageRequest): void {
    if (isView(request)) {
      this.#remember(request);
      if (this.#isJoined) this.#line?.say({ type: "view", request });
      return;
    }
    this.#lastNumber += 1;
    const numbered = { number: this.#lastNumber, deed: request };
    this.#untaken.push(numbered);
    if (this.#isJoined) this.#line?.say({ type: "deed", ...numbered });
  }

  /** This tab leads from now on: it mirrors nothing any more. */
  end(): Inheritance {
    this.#attaching.stop();
    this.#calls?.close();
    this.#line?.close();
    return {
      held: this.#held.all(),
      views: [...this.#views.values()],
      deeds: this.#untaken.map(({ deed }) => deed),
    };
  }

  #remember(request: ViewRequest): void {
    const view = request.type === "rows" ? (request.view ?? "list") : "watch";
    const isClosed = request.type === "rows" ? request.count === 0 : request.galleryId === null;
    if (isClosed) this.#views.delete(view);
    else this.#views.set(view, request);
  }

  #join(): void {
    this.#isJoined = false;
    const nextNumber = this.#untaken[0]?.number ?? this.#lastNumber + 1;
    this.#calls?.say({ type: "join", viewerId: this.#ports.viewerId, nextNumber });
  }

  #hear(word: ToViewer): void {
    switch (word.type) {
      case "joined":
        this.#tellAll();
        break;
      case "taken":
        this.#forgetTaken(word.number);
        break;
      case "reports":
        this.#ports.tellPage(word.reports.map(asMirrored));
        break;
      case "hold":
        this.#held.hold(word.add);
        break;
      case "let_go":
        this.#held.letGo(word.galleryId, word.fileIds);
        break;
      default:
        word satisfies never;
    }
  }

  #tellAll(): void {
    this.#isJoined = true;
    this.#attached = new Set();
    this.#attaching.start();
    for (const request of this.#views.values()) this.#line?.say({ type: "view", request });
    for (const numbered of this.#untaken) this.#line?.say({ type: "deed", ...numbered });
  }

  /** What the leader before had and its heir has not, as of a choice made just before it died. */
  #attachNext(): boolean {
    const add = this.#isJoined ? this.#held.next(this.#attached) : null;
    if (add === null) return false;
    for (const key of heldKeysOf(add)) this.#attached.add(key);
    this.#line?.say({ type: "attach", add });
    return true;
  }

  #forgetTaken(number: number): void {
    for (const { number: taken, deed } of this.#untaken) {
      if (taken <= number && deed.type === "add") this.#held.hold(deed);
    }
    this.#untaken = this.#untaken.filter((one) => one.number > number);
  }
}

function asMirrored(report: EngineReport): EngineReport {
  return report.type === "tally" ? { ...report, isMirror: true } : report;
}
