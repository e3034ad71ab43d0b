// Runs in the page: its end of the line to the Worker.
import type { ChosenFile, EngineReport, EngineRequest } from "./port.ts";

/** Handing over five thousand files in one message would hold the page for longer than a frame. */
const FILES_A_MESSAGE = 200;

export class EngineLink {
  readonly #worker: Worker;
  #waiting: EngineRequest[] = [];
  readonly #channel = new MessageChannel();

  constructor(worker: Worker, onReport: (report: EngineReport) => void) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<EngineReport>) => onReport(data);
    this.#channel.port2.onmessage = () => this.#handOverNext();
    worker.postMessage({ type: "hello", baseUrl: location.origin } satisfies EngineRequest);
  }

  /** Requests arrive in the order they were sent; many files in several steps, with room for frames between. */
  send(request: EngineRequest): void {
    const isIdle = this.#waiting.length === 0;
    if (request.type === "add") this.#waiting.push(...inSteps(request));
    else this.#waiting.push(request);
    if (isIdle) this.#handOverNext();
  }

  #handOverNext(): void {
    const request = this.#waiting.shift();
    if (request === undefined) return;
    this.#worker.postMessage(request);
    if (this.#waiting.length > 0) this.#channel.port1.postMessage(null);
  }
}

function inSteps(request: Extract<EngineRequest, { type: "add" }>): EngineRequest[] {
  const steps: EngineRequest[] = [];
  for (let first = 0; first < request.files.length; first += FILES_A_MESSAGE) {
    const files: readonly ChosenFile[] = request.files.slice(first, first + FILES_A_MESSAGE);
    steps.push({ ...request, files });
  }
  return steps;
}

/** Starts the engine. Vite bundles the Worker from this very expression. */
export function startEngine(onReport: (report: EngineReport) => void): EngineLink {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "uploads" });
  return new EngineLink(worker, onReport);
}
