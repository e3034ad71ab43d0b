// For tests alone: one browser with several tabs, their locks and the lines between them.
import type { OpenChannel } from "../io/tab-channel.ts";
import { type LockManagerLike, TabLocks } from "../io/tab-lock.ts";
import type { FakeWorld, Life } from "./fake-world.ts";
import type { Memory } from "./memory.ts";
import type { EngineReport, GalleryTally, RowView } from "./port.ts";
import { Tab } from "./tab.ts";
import type { PageRequest } from "./tab-words.ts";

export const ACCOUNT_ID = "7";

type End = { readonly name: string; readonly life: Life; readonly hear: (message: never) => void };
type LockRequest = { readonly life: Life; readonly run: () => Promise<void> };

export type BrowserOptions = {
  readonly hasLocks?: boolean;
  /** Without it, nothing is kept. */
  readonly openMemory?: (life: Life) => Memory;
};

export class FakeBrowser {
  readonly world: FakeWorld;
  readonly hasLocks: boolean;
  /** How often each word was said. */
  readonly said: string[] = [];
  /** Words of this type are lost on their way. */
  lost: ReadonlySet<string> = new Set();
  readonly #ends = new Set<End>();
  readonly #locks = new Map<string, LockRequest[]>();
  readonly #openMemory: ((life: Life) => Memory) | null;
  #tabCount = 0;

  constructor(world: FakeWorld, { hasLocks = true, openMemory }: BrowserOptions = {}) {
    this.world = world;
    this.hasLocks = hasLocks;
    this.#openMemory = openMemory ?? null;
  }

  /** What an engine that begins here remembers. */
  memoryOf(life: Life): { readonly memory?: Memory } {
    return this.#openMemory === null ? {} : { memory: this.#openMemory(life) };
  }

  openTab(accountId: string | null = ACCOUNT_ID): FakeTab {
    this.#tabCount += 1;
    return new FakeTab(this, `tab-${this.#tabCount}`, accountId);
  }

  /** What a tab held is free, and nothing more is heard of it. */
  end(life: Life): void {
    life.isOver = true;
    for (const [name, requests] of this.#locks) {
      const [holder] = requests;
      this.#locks.set(
        name,
        requests.filter((one) => !one.life.isOver),
      );
      if (holder?.life.isOver) this.#grant(name);
    }
  }

  locksOf(life: Life): LockManagerLike | null {
    if (!this.hasLocks) return null;
    return {
      request: (name, run) => {
        const requests = this.#locks.get(name) ?? [];
        requests.push({ life, run });
        this.#locks.set(name, requests);
        if (requests.length === 1) this.#grant(name);
        return new Promise(() => {});
      },
    };
  }

  channelsOf(life: Life): OpenChannel {
    return (name, hear) => {
      const end: End = { name, life, hear };
      this.#ends.add(end);
      return {
        say: (message) => this.#say(end, message as { readonly type: string }),
        close: () => this.#ends.delete(end),
      };
    };
  }

  #say(from: End, message: { readonly type: string }): void {
    if (from.life.isOver || this.lost.has(message.type)) return;
    this.said.push(message.type);
    for (const end of this.#ends) {
      if (end === from || end.name !== from.name) continue;
      queueMicrotask(() => {
        if (!end.life.isOver && this.#ends.has(end)) end.hear(message as never);
      });
    }
  }

  #grant(name: string): void {
    const holder = this.#locks.get(name)?.[0];
    if (holder === undefined) return;
    queueMicrotask(() => {
      void holder.run().then(() => {
        this.#locks.get(name)?.shift();
        this.#grant(name);
      });
    });
  }
}

/** One tab, and what its page was told. */
export class FakeTab {
  readonly reports: EngineReport[] = [];
  readonly #browser: FakeBrowser;
  readonly #life: Life = { isOver: false };
  readonly #tab: Tab;

  constructor(browser: FakeBrowser, viewerId: string, accountId: string | null) {
    this.#browser = browser;
    const { world } = browser;
    this.#tab = new Tab({
      accountId,
      clock: world.clock,
      viewerId,
      locks: new TabLocks(browser.locksOf(this.#life)),
      openChannel: browser.channelsOf(this.#life),
      startEngine: (report, onFreed) =>
        world.startEngine({ report, onFreed, ...browser.memoryOf(this.#life) }, this.#life),
      tellPage: (reports) => {
        if (!this.#life.isOver) this.reports.push(...reports);
      },
    });
  }

  send(request: PageRequest): void {
    this.#tab.send(request);
  }

  /** Closed, crashed or killed: the other tabs can't tell. */
  die(): void {
    this.#browser.end(this.#life);
  }

  told<Type extends EngineReport["type"]>(type: Type): Extract<EngineReport, { type: Type }>[] {
    return this.reports.filter((report) => report.type === type) as Extract<EngineReport, { type: Type }>[];
  }

  tally(galleryId: string): GalleryTally | null {
    return (
      this.told("tally")
        .at(-1)
        ?.galleries.find((one) => one.galleryId === galleryId) ?? null
    );
  }

  isMirror(): boolean | null {
    return this.told("tally").at(-1)?.isMirror ?? null;
  }

  rows(): readonly RowView[] {
    return this.told("rows").at(-1)?.rows ?? [];
  }
}
