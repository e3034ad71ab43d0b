import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ManualClock } from "../kernel/clock.ts";
import { ANSWER_MS, type PutOutcome, STALL_MS, xhrPut } from "./part-put.ts";

/** What the browser would have, as far as a PUT uses it. */
class FakeXhr {
  static last: FakeXhr;
  readonly upload: { onprogress?: (event: { loaded: number }) => void; onload?: () => void } = {};
  onload = (): void => {};
  onerror = (): void => {};
  onabort = (): void => {};
  status = 0;
  answerHeaders: Readonly<Record<string, string>> = {};
  isAborted = false;

  constructor() {
    FakeXhr.last = this;
  }

  open(): void {}
  setRequestHeader(): void {}
  send(): void {}

  getResponseHeader(name: string): string | null {
    return this.answerHeaders[name] ?? null;
  }

  abort(): void {
    this.isAborted = true;
    this.onabort();
  }

  answer(status: number, headers: Readonly<Record<string, string>> = {}): void {
    this.status = status;
    this.answerHeaders = headers;
    this.onload();
  }
}

beforeEach(() => {
  vi.stubGlobal("XMLHttpRequest", FakeXhr);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

function put(headers: Readonly<Record<string, string>> = {}) {
  const clock = new ManualClock();
  const controller = new AbortController();
  const moved: number[] = [];
  const outcome = xhrPut(clock)({ method: "PUT", url: "https://store.test/", headers }, new Blob(["bytes"]), {
    signal: controller.signal,
    onMoved: (bytes) => moved.push(bytes),
  });
  return { clock, controller, moved, outcome, xhr: FakeXhr.last };
}

test.each<[number, Record<string, string>, PutOutcome]>([
  [200, {}, { kind: "stored" }],
  [204, {}, { kind: "stored" }],
  [503, { "Retry-After": "7" }, { kind: "throttled", retryAfterMs: 7000 }],
  [503, {}, { kind: "throttled", retryAfterMs: null }],
  [429, { "Retry-After": "Sat, 21 Nov 2026 00:00:09 GMT" }, { kind: "throttled", retryAfterMs: 9000 }],
  [500, { "Retry-After": "7" }, { kind: "failed", status: 500 }],
  [403, {}, { kind: "failed", status: 403 }],
  [308, { Range: "bytes=0-4" }, { kind: "failed", status: 308 }],
])("the answer %i %j is told as it is", async (status, headers, told) => {
  const { outcome, xhr } = put();

  xhr.answer(status, headers);

  expect(await outcome).toEqual(told);
});

test.each([
  ["bytes=0-4", 5],
  [undefined, 0],
])("a session that says Range %s has %i bytes", async (range, storedBytes) => {
  const { outcome, xhr } = put({ "Content-Range": "bytes 0-9/20" });

  xhr.answer(308, range === undefined ? {} : { Range: range });

  expect(await outcome).toEqual({ kind: "partial", storedBytes });
});

test("an answer that cannot be read, and no answer at all, look alike", async () => {
  const { outcome, xhr } = put();

  xhr.onerror();

  expect(await outcome).toEqual({ kind: "failed", status: 0 });
});

test("a request that stops moving ends, one that moves slowly does not", async () => {
  const { clock, moved, outcome, xhr } = put();

  for (let step = 1; step <= 20; step += 1) {
    clock.advance(STALL_MS - 1);
    xhr.upload.onprogress?.({ loaded: step });
  }
  expect(xhr.isAborted).toBe(false);
  clock.advance(STALL_MS);

  expect(await outcome).toEqual({ kind: "stalled" });
  expect(moved).toHaveLength(20);
});

test("once all bytes are handed over, the answer may take longer", async () => {
  const { clock, outcome, xhr } = put();

  xhr.upload.onload?.();
  clock.advance(ANSWER_MS - 1);
  expect(xhr.isAborted).toBe(false);
  clock.advance(1);

  expect(await outcome).toEqual({ kind: "stalled" });
});

test("what is withdrawn ends at once, and is no failure", async () => {
  const { controller, outcome, xhr } = put();

  controller.abort();

  expect(xhr.isAborted).toBe(true);
  expect(await outcome).toEqual({ kind: "aborted" });
});

test("nothing is sent of what was withdrawn before", async () => {
  const { clock, outcome } = put();
  const controller = new AbortController();
  controller.abort();
  const before = FakeXhr.last;

  const late = xhrPut(clock)({ method: "PUT", url: "https://store.test/", headers: {} }, new Blob([]), {
    signal: controller.signal,
    onMoved: () => {},
  });

  expect(await late).toEqual({ kind: "aborted" });
  expect(FakeXhr.last).toBe(before);
  before.answer(200);
  await outcome;
});
