// The engine's Worker and this page's end of the wire. It lives as long as the document: Turbo changes pages under it.

import type { EngineReport, EngineRequest } from "../engine/port.ts";
import type { EngineLink } from "../ui/engine-link.ts";

export function startEngine(onDeath: () => void): EngineLink {
  const listeners = new Set<(report: EngineReport) => void>();
  let worker: Worker | null = null;

  const start = (): Worker => {
    const started = new Worker(new URL("../engine/worker.ts", import.meta.url), { type: "module" });
    started.addEventListener("message", (event: MessageEvent<readonly EngineReport[]>) => {
      for (const report of event.data) {
        for (const listener of listeners) {
          listener(report);
        }
      }
    });
    started.addEventListener("error", onDeath);
    started.postMessage({
      type: "hello",
      baseUrl: location.origin,
      accountId: document.body.dataset["user"] ?? null,
    } satisfies EngineRequest);
    return started;
  };

  return {
    send: (request) => {
      worker ??= start();
      worker.postMessage(request);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
