import { API_BACKOFF, backoffMs } from "../domain/retry.ts";
import type { ProgressReport } from "../domain/wire.ts";
import type { Cancel, Clock } from "../kernel/clock.ts";
import type { Result } from "../kernel/result.ts";

export type Socket = { readonly send: (text: string) => void; readonly close: () => void };

export type SocketHandlers = {
  readonly onOpen: () => void;
  readonly onText: (text: string) => void;
  readonly onClose: () => void;
};

export type OpenSocket = (url: string, handlers: SocketHandlers) => Socket;

export const openWebSocket: OpenSocket = (url, handlers) => {
  const socket = new WebSocket(url);
  socket.onopen = handlers.onOpen;
  socket.onclose = handlers.onClose;
  socket.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (typeof data === "string") handlers.onText(data);
  };
  return { send: (text) => socket.send(text), close: () => socket.close() };
};

export type SocketListener<Message> = {
  readonly parse: (body: unknown) => Result<Message, unknown>;
  readonly onMessage: (message: Message) => void;
  readonly onOpen: () => void;
  readonly onClose: () => void;
};

export type SocketPorts = {
  readonly open: OpenSocket;
  readonly clock: Clock;
  readonly random: () => number;
};

/** One socket, opened again for as long as it is wanted, never at the same moment as everybody else. */
export class ProgressSocket<Message> {
  readonly #url: string;
  readonly #ports: SocketPorts;
  readonly #listener: SocketListener<Message>;
  #socket: Socket | null = null;
  #isOpen = false;
  #attempt = 0;
  #cancelReopen: Cancel = () => {};
  #isClosed = false;
  /** Counts the sockets: what one from before says is not heard. */
  #turn = 0;

  constructor(url: string, ports: SocketPorts, listener: SocketListener<Message>) {
    this.#url = url;
    this.#ports = ports;
    this.#listener = listener;
    this.#open();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** At most MAX_REPORT_ITEMS. False where nothing was sent; the caller takes the other way. */
  report(reports: readonly ProgressReport[]): boolean {
    if (!this.#isOpen || this.#socket === null) return false;
    this.#socket.send(JSON.stringify({ type: "progress", uploads: reports }));
    return true;
  }

  /** The network is another one: a socket of the one before may be dead without saying so. */
  reopenNow(): void {
    if (this.#isClosed) return;
    this.#cancelReopen();
    this.#attempt = 0;
    const before = this.#socket;
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#open();
    before?.close();
    if (wasOpen) this.#listener.onClose();
  }

  close(): void {
    this.#isClosed = true;
    this.#isOpen = false;
    this.#cancelReopen();
    this.#socket?.close();
    this.#socket = null;
  }

  #open(): void {
    this.#turn += 1;
    const turn = this.#turn;
    const isOurs = (): boolean => turn === this.#turn && !this.#isClosed;
    this.#socket = this.#ports.open(this.#url, {
      onOpen: () => {
        if (!isOurs()) return;
        this.#isOpen = true;
        this.#listener.onOpen();
      },
      onText: (text) => {
        if (isOurs()) this.#take(text);
      },
      onClose: () => {
        if (isOurs()) this.#lose();
      },
    });
  }

  #take(text: string): void {
    // A server that closes right after opening does not bring the pause back to its beginning; one that talks does.
    this.#attempt = 0;
    const message = this.#listener.parse(jsonOf(text));
    if (message.ok) this.#listener.onMessage(message.value);
  }

  #lose(): void {
    this.#socket = null;
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    const delayMs = backoffMs(API_BACKOFF, this.#attempt, 0.5 + this.#ports.random() / 2);
    this.#attempt += 1;
    this.#cancelReopen = this.#ports.clock.after(delayMs, () => this.#open());
    if (wasOpen) this.#listener.onClose();
  }
}

/** Undefined where the text is no JSON: such a message is dropped. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
