// The Worker's composition root: real clock, network, storage and socket, and the engine on them.
import { browserNetwork } from "../io/network.ts";
import { xhrPut } from "../io/part-put.ts";
import { openWebSocket } from "../io/progress-socket.ts";
import { HttpUploadApi } from "../io/upload-api.ts";
import { systemClock } from "../kernel/clock.ts";
import { Engine } from "./engine.ts";
import type { EngineReport, EngineRequest } from "./port.ts";

declare const self: DedicatedWorkerGlobalScope;

let engine: Engine | null = null;
/** What is told at one moment goes in one message: the page draws one frame for it. */
let told: EngineReport[] = [];

self.onmessage = ({ data: request }: MessageEvent<EngineRequest>) => {
  if (request.type === "hello") engine ??= startEngine(request.baseUrl);
  else engine?.handle(request, "page");
};

function startEngine(baseUrl: string): Engine {
  return new Engine({
    api: new HttpUploadApi({ baseUrl, clock: systemClock, fetch: (input, init) => fetch(input, init) }),
    baseUrl,
    clock: systemClock,
    network: browserNetwork(self),
    openSocket: openWebSocket,
    put: xhrPut(systemClock),
    random: Math.random,
    report: tell,
  });
}

function tell(report: EngineReport): void {
  told.push(report);
  if (told.length > 1) return;
  queueMicrotask(() => {
    const reports = told;
    told = [];
    self.postMessage(reports);
  });
}
