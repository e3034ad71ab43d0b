import { type Failure, failureHere } from "../domain/failure.ts";
import { API_BACKOFF, backoffMs, probePauseMs, probeWithinMs } from "../domain/retry.ts";
import type { Network } from "../io/network.ts";
import type { ApiResult, UploadApi } from "../io/upload-api.ts";
import type { Cancel, Clock } from "../kernel/clock.ts";
import { failedWith, type Result, succeeded, unreachable } from "../kernel/result.ts";
import { SECOND_MS } from "../kernel/units.ts";
import type { Slots } from "./slots.ts";

/** `hiccup`: calls wait, but it is too early to tell anybody. */
export type ConnectionStatus = "open" | "hiccup" | "offline" | "sign_in";

export type ConnectionPorts = {
  readonly api: Pick<UploadApi, "session" | "hangUp">;
  readonly clock: Clock;
  readonly random: () => number;
  readonly network: Network;
  readonly slots: Slots;
  readonly ownOrigin: string;
  /** Null where the first who is signed in owns what is uploaded here. */
  readonly userId: string | null;
  readonly onStatus: (status: ConnectionStatus) => void;
  /** Nothing came through, and now something does: what was on its way meanwhile may wait on dead sockets. */
  readonly onReconnected: () => void;
};

/** A server that fails at one and the same call while it answers others will not do better for ever. */
const MAX_BROKEN_ANSWERS = 6;
/** What another person's calls are answered about things that are not theirs. */
const HIDDEN_CODES: ReadonlySet<string> = new Set(["forbidden", "not_found"]);
const SIGN_IN_PROBE_MS = 15 * SECOND_MS;
/** The word "online" may be lost, or come before the system's own flag says so: the flag is looked at, too. */
const OFFLINE_LOOK_MS = 2 * SECOND_MS;

/**
 * The one way to the server. No call fails because the network was away: it waits here, one probe at a time asks
 * whether the server is back, and then all go on.
 */
export class Connection {
  readonly #ports: ConnectionPorts;
  #status: ConnectionStatus = "hiccup";
  #attempt = 0;
  #waiting: (() => void)[] = [];
  #cancelProbe: Cancel = () => {};
  #isProbing = false;
  /** An answer to a probe of an earlier turn says nothing of the network there is now. */
  #probeTurn = 0;
  /** Nothing came back, unlike from a server that asks for time or for somebody to sign in. */
  #isCutOff = false;
  /** Whose uploads these are; undefined until somebody is signed in. */
  #userId: string | undefined;

  constructor(ports: ConnectionPorts) {
    this.#ports = ports;
    this.#userId = ports.userId ?? undefined;
    ports.network.onOffline(() => this.#goOffline());
    void this.#probe();
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** Repeats `send` until the server has understood it; only its refusal comes back. */
  async call<Value>(send: () => Promise<ApiResult<Value>>): Promise<Result<Value, Failure>> {
    for (let brokenCount = 0; ; ) {
      const answer = await this.#once(send);
      if (answer.ok) return this.#heard(succeeded(answer.value));
      switch (answer.failure.kind) {
        case "refused":
          return this.#heard(failedWith(answer.failure.failure));
        case "broken":
          brokenCount += 1;
          if (brokenCount > MAX_BROKEN_ANSWERS) return failedWith(failureHere("server_error"));
          await this.#rest(brokenCount);
          break;
        case "network":
          this.#lose();
          break;
        case "busy":
          this.#ports.slots.rest(this.#ports.ownOrigin, answer.failure.retryAfterMs);
          this.#giveTime(answer.failure.retryAfterMs);
          break;
        case "sign_in":
          this.#signOut();
          break;
        default:
          unreachable(answer.failure);
      }
    }
  }

  /** Once, now or never: for what the next call says again anyway. */
  async attempt<Value>(send: () => Promise<ApiResult<Value>>): Promise<ApiResult<Value>> {
    return this.#status === "open" ? await this.#inSlot(send) : failedWith({ kind: "network" });
  }

  /** Somebody has signed in again, in this window or another. */
  retrySession(): void {
    if (this.#status === "sign_in") this.#probeNow();
  }

  /** Nothing moves though it should: is anybody there? */
  doubt(): void {
    if (this.#status === "open") void this.#probe();
  }

  /** The network is another, or was away: what is being asked is asked anew, as soon as anybody answers. */
  renew(): void {
    this.#attempt = 0;
    this.#probeTurn += 1;
    this.#isProbing = false;
    if (this.#status === "open") this.#become("hiccup");
    this.#isCutOff = true;
    this.#ports.api.hangUp();
    this.#probeNow();
  }

  async #once<Value>(send: () => Promise<ApiResult<Value>>): Promise<ApiResult<Value>> {
    while (this.#status !== "open") await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const answer = await this.#inSlot(send);
    return isHidden(answer) ? await this.#asOwner(answer) : answer;
  }

  /** Where somebody else has signed in meanwhile, what was hidden from them is asked again when its owner is back. */
  async #asOwner<Value>(answer: ApiResult<Value>): Promise<ApiResult<Value>> {
    const session = await this.#ports.api.session();
    if (!session.ok) return session;
    this.#knowUser(session.value.userId);
    return this.#status === "open" ? answer : failedWith({ kind: "sign_in" });
  }

  async #inSlot<Value>(send: () => Promise<ApiResult<Value>>): Promise<ApiResult<Value>> {
    const release = await this.#ports.slots.acquire(this.#ports.ownOrigin, "call");
    try {
      return await send();
    } finally {
      release?.();
    }
  }

  #heard<Answer>(answer: Answer): Answer {
    this.#attempt = 0;
    return answer;
  }

  #rest(brokenCount: number): Promise<void> {
    const delayMs = backoffMs(API_BACKOFF, brokenCount, this.#ports.random());
    return new Promise((resolve) => {
      this.#ports.clock.after(delayMs, resolve);
    });
  }

  #become(status: ConnectionStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    if (status === "open" && this.#isCutOff) this.#reconnect();
    // Whoever listens hears that the way is open before the first waiting call is answered.
    this.#ports.onStatus(status);
    if (status !== "open") return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const goOn of waiting) goOn();
  }

  /** What was asked before the network was lost may wait for half a minute on a socket that is dead. */
  #reconnect(): void {
    this.#isCutOff = false;
    this.#ports.api.hangUp();
    this.#ports.onReconnected();
  }

  #lose(): void {
    this.#isCutOff = true;
    if (this.#status !== "open") return;
    this.#become(this.#ports.network.isOnline() ? "hiccup" : "offline");
    this.#probeLater();
  }

  #giveTime(retryAfterMs: number | null): void {
    if (this.#status !== "open") return;
    this.#become("hiccup");
    if (retryAfterMs === null) this.#probeLater();
    else this.#probeIn(retryAfterMs);
  }

  #signOut(): void {
    if (this.#status === "sign_in") return;
    this.#cancelProbe();
    this.#become("sign_in");
    this.#probeIn(SIGN_IN_PROBE_MS);
  }

  #goOffline(): void {
    if (this.#status === "sign_in") return;
    this.#isCutOff = true;
    this.#become("offline");
    this.#probeIn(OFFLINE_LOOK_MS);
  }

  #probeLater(): void {
    const pauseMs = this.#isCutOff ? probePauseMs : pauseOfBusyMs;
    const delayMs = pauseMs(this.#attempt, this.#ports.random());
    this.#attempt += 1;
    this.#probeIn(delayMs);
  }

  #probeIn(delayMs: number): void {
    this.#cancelProbe();
    this.#cancelProbe = this.#ports.clock.after(delayMs, () => void this.#probe());
  }

  #probeNow(): void {
    if (this.#status === "open") return;
    this.#cancelProbe();
    void this.#probe();
  }

  async #probe(): Promise<void> {
    // While the system says there is no network, nothing is asked; its "online" asks.
    if (this.#isProbing) return;
    if (!this.#ports.network.isOnline()) {
      this.#goOffline();
      return;
    }
    this.#isProbing = true;
    const turn = this.#probeTurn;
    const answer = await this.#ports.api.session(probeWithinMs(this.#attempt));
    if (turn !== this.#probeTurn) return;
    this.#isProbing = false;
    if (answer.ok) this.#knowUser(answer.value.userId);
    else this.#stayAway(answer.failure.kind);
  }

  /** Signed in as somebody else, the uploads would not be theirs: they wait for their owner. */
  #knowUser(userId: string | null): void {
    if (userId !== null) this.#userId ??= userId;
    if (this.#userId === undefined || userId === this.#userId) {
      this.#become("open");
      return;
    }
    this.#become("sign_in");
    this.#probeIn(SIGN_IN_PROBE_MS);
  }

  #stayAway(kind: "network" | "busy" | "sign_in" | "broken" | "refused"): void {
    if (kind === "sign_in") {
      this.#signOut();
      return;
    }
    this.#isCutOff = kind === "network";
    if (this.#status !== "sign_in") this.#become("offline");
    this.#probeLater();
  }
}

function isHidden(answer: ApiResult<unknown>): boolean {
  const isRefused = !answer.ok && answer.failure.kind === "refused";
  return isRefused && HIDDEN_CODES.has(answer.failure.failure.code);
}

function pauseOfBusyMs(attempt: number, random: number): number {
  return backoffMs(API_BACKOFF, attempt, random);
}
