// The Worker's composition root: real clock, network, storage, socket and tabs, and the engine on them.
import { browserRoom } from "../io/disk-room.ts";
import { type Journal, openJournal } from "../io/journal.ts";
import { browserNetwork } from "../io/network.ts";
import { xhrPut } from "../io/part-put.ts";
import { openWebSocket } from "../io/progress-socket.ts";
import { openBroadcastChannel } from "../io/tab-channel.ts";
import { TabLocks } from "../io/tab-lock.ts";
import { HttpUploadApi } from "../io/upload-api.ts";
import { systemClock } from "../kernel/clock.ts";
import { Engine } from "./engine.ts";
import type { StartEngine } from "./hub.ts";
import { Memory } from "./memory.ts";
import type { EngineRequest } from "./port.ts";
import { Tab } from "./tab.ts";

declare const self: DedicatedWorkerGlobalScope;

type Hello = Extract<EngineRequest, { type: "hello" }>;

let tab: Tab | null = null;

// A Worker serves one account: the page ends it when another signs in.
self.onmessage = ({ data: request }: MessageEvent<EngineRequest>) => {
  if (request.type === "hello") tab ??= startTab(request);
  else tab?.send(request);
};

function startTab({ accountId, baseUrl }: Hello): Tab {
  return new Tab({
    accountId,
    clock: systemClock,
    viewerId: crypto.randomUUID(),
    locks: new TabLocks(navigator.locks ?? null),
    openChannel: openBroadcastChannel,
    startEngine: engineStarter(baseUrl, accountId),
    tellPage: (reports) => self.postMessage(reports),
  });
}

function engineStarter(baseUrl: string, accountId: string | null): StartEngine {
  return (report, onFreed) =>
    new Engine({
      api: new HttpUploadApi({
        baseUrl,
        clock: systemClock,
        fetch: (input, init) => fetch(input, init),
        userId: accountId,
      }),
      baseUrl,
      clock: systemClock,
      memory: new Memory({
        clock: systemClock,
        open: journalOf(navigator.locks === undefined ? null : accountId),
        room: browserRoom,
      }),
      network: browserNetwork(self),
      onFreed,
      openSocket: openWebSocket,
      put: xhrPut(systemClock),
      random: Math.random,
      report,
      userId: accountId,
    });
}

function journalOf(accountId: string | null): (onClosed: () => void) => Promise<Journal | null> {
  return async (onClosed) => (accountId === null ? null : await openJournal(accountId, { onClosed }));
}
