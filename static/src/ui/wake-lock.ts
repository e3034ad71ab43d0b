// Keeps the screen's machine awake while bytes are on their way and somebody may be looking.

/** What of the browser is needed; https://w3c.github.io/screen-wake-lock/ */
export type WakePort = Readonly<{
  /** Rejects where the machine does not allow it (battery saver), and where the page is hidden. */
  request: () => Promise<WakeHold>;
  isVisible: () => boolean;
  onVisibility: (changed: () => void) => void;
}>;
export type WakeHold = Readonly<{ release: () => Promise<void> }>;

export class WakeLock {
  readonly #port: WakePort;
  #isWanted = false;
  #hold: WakeHold | null = null;
  #isAsking = false;

  constructor(port: WakePort) {
    this.#port = port;
    port.onVisibility(() => {
      // The browser has let go by itself when the page was hidden.
      this.#hold = null;
      void this.#settle();
    });
  }

  want(isWanted: boolean): void {
    if (this.#isWanted !== isWanted) {
      this.#isWanted = isWanted;
      void this.#settle();
    }
  }

  async #settle(): Promise<void> {
    if (this.#isAsking) {
      return;
    }
    if (!this.#isWanted) {
      const held = this.#hold;
      this.#hold = null;
      await held?.release();
    } else if (this.#hold === null && this.#port.isVisible()) {
      await this.#ask();
    }
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    try {
      this.#hold = await this.#port.request();
    } catch {
      // Then the machine may fall asleep; the upload goes on when it wakes.
      return;
    } finally {
      this.#isAsking = false;
    }
    if (!this.#isWanted) {
      await this.#settle();
    }
  }
}

/** Null where the browser has none. */
export function browserWakePort(): WakePort | null {
  if (!("wakeLock" in navigator)) {
    return null;
  }
  return {
    request: () => navigator.wakeLock.request("screen"),
    isVisible: () => document.visibilityState === "visible",
    onVisibility: (changed) => document.addEventListener("visibilitychange", changed),
  };
}
