import type { EngineReport, EngineRequest } from "../engine/port.ts";

/** The page's end of the wire to the Worker. Pages make it; ui only talks through it. */
export type EngineLink = Readonly<{
  send: (request: EngineRequest) => void;
  /** Answers what ends the subscription. */
  subscribe: (listener: (report: EngineReport) => void) => () => void;
}>;
