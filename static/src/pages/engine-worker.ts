// The engine's Worker and this page's end of the wire. It lives as long as the document: Turbo changes pages under it.

import type { EngineReport, EngineRequest } from "../engine/port.ts";
import { within } from "../kernel/within.ts";
import type { EngineLink } from "../ui/engine-link.ts";

export type EngineWorkerPorts = {
  readonly onDeath: () => void;
  /** Another tab signed this account out, and ended its uploads. */
  readonly onSignedOutElsewhere: () => void;
  /** Deletes what this browser keeps of an account's uploads. */
  readonly forget: (accountId: string) => Promise<unknown>;
};

/** So long a person waits for the uploads to be forgotten, and once more for the page to do it instead. */
const SIGN_OUT_WITHIN_MS = 1_500;

const NOTHING_THERE: EngineReport = { type: "tally", galleries: [], total: null, isMirror: false };

/** A Worker serves one account: it is ended when somebody signs out, or somebody else is there. */
export class EngineWorker implements EngineLink {
  readonly #ports: EngineWorkerPorts;
  readonly #listeners = new Set<(report: EngineReport) => void>();
  #worker: Worker | null = null;
  #accountId: string | null = null;
  /** The account of the page shown is not signed in any more. */
  #isSignedOut = false;
  /** This page signs out itself, and is about to be left. */
  #isLeaving = false;

  constructor(ports: EngineWorkerPorts) {
    this.#ports = ports;
  }

  readonly send = (request: EngineRequest): void => {
    if (!this.#isSignedOut) this.#running().postMessage(request);
  };

  readonly subscribe = (listener: (report: EngineReport) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Whoever is signed in finds at once what was left to upload, on any page. */
  pageShown(): void {
    this.#isSignedOut = false;
    this.#isLeaving = false;
    const accountId = accountShown();
    // Where nobody is signed in any more, what is open waits for its owner.
    if (accountId === null) return;
    if (accountId !== this.#accountId) this.#end();
    this.#running();
  }

  /** Ends the uploads of this account in all tabs. Where that is not heard in time, the page forgets them itself. */
  async signOut(): Promise<void> {
    const accountId = this.#accountId;
    if (this.#worker === null) return;
    this.#isLeaving = true;
    const isHeard = await within(SIGN_OUT_WITHIN_MS, this.#signedOut());
    if (isHeard === true) return;
    this.#tell({ type: "signed_out" });
    if (accountId !== null) await within(SIGN_OUT_WITHIN_MS, this.#ports.forget(accountId));
  }

  #signedOut(): Promise<true> {
    return new Promise((resolve) => {
      const end = this.subscribe(({ type }) => {
        if (type !== "signed_out") return;
        end();
        resolve(true);
      });
      this.send({ type: "sign_out" });
    });
  }

  #running(): Worker {
    this.#worker ??= this.#start(accountShown());
    return this.#worker;
  }

  #start(accountId: string | null): Worker {
    const started = new Worker(new URL("../engine/worker.ts", import.meta.url), { type: "module" });
    started.addEventListener("message", (event: MessageEvent<readonly EngineReport[]>) => {
      for (const report of event.data) this.#tell(report);
    });
    started.addEventListener("error", this.#ports.onDeath);
    const hello: EngineRequest = { type: "hello", baseUrl: location.origin, accountId };
    started.postMessage(hello);
    this.#accountId = accountId;
    return started;
  }

  #tell(report: EngineReport): void {
    if (report.type === "signed_out") {
      this.#isSignedOut = true;
      this.#end();
      if (!this.#isLeaving) this.#ports.onSignedOutElsewhere();
    }
    for (const listener of this.#listeners) listener(report);
  }

  #end(): void {
    if (this.#worker === null) return;
    this.#worker.terminate();
    this.#worker = null;
    this.#tell(NOTHING_THERE);
  }
}

function accountShown(): string | null {
  return document.body.dataset["user"] ?? null;
}
