// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from "vitest";
import type { EngineReport, EngineRequest } from "../engine/port.ts";
import { EngineWorker } from "./engine-worker.ts";
import { listenForSignOut } from "./sign-out.ts";

class StandInWorker extends EventTarget {
  readonly heard: EngineRequest[] = [];
  isOver = false;

  constructor() {
    super();
    workers.push(this);
  }

  postMessage(request: EngineRequest): void {
    this.heard.push(request);
  }

  terminate(): void {
    this.isOver = true;
  }

  say(...data: readonly EngineReport[]): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }
}

let workers: StandInWorker[] = [];
let unsent = 0;
const submitted = vi.fn();
const signedOutElsewhere = vi.fn();
const forget = vi.fn<(accountId: string) => Promise<boolean>>();
let uploads: EngineWorker;
let told: EngineReport[] = [];

vi.stubGlobal("Worker", StandInWorker);
vi.spyOn(HTMLFormElement.prototype, "submit").mockImplementation(submitted);
listenForSignOut({ signOut: () => uploads.signOut(), subscribe: () => {} }, () => unsent);

beforeEach(() => {
  vi.useFakeTimers();
  workers = [];
  told = [];
  unsent = 0;
  submitted.mockClear();
  signedOutElsewhere.mockClear();
  forget.mockReset().mockResolvedValue(true);
  uploads = new EngineWorker({ onDeath: () => {}, onSignedOutElsewhere: signedOutElsewhere, forget });
  uploads.subscribe((report) => told.push(report));
});

function show(accountId: string | null): void {
  if (accountId === null) delete document.body.dataset["user"];
  else document.body.dataset["user"] = accountId;
  document.body.innerHTML =
    "<form method='post' action='/accounts/logout/'><button>Sign out</button></form><main></main>";
  uploads.pageShown();
}

function signOutHere(): Event {
  const event = new Event("submit", { bubbles: true, cancelable: true });
  document.querySelector("form")?.dispatchEvent(event);
  return event;
}

function press(name: string): void {
  const buttons = [...document.querySelectorAll<HTMLButtonElement>("main button")];
  buttons.find((button) => button.textContent === name)?.click();
}

test("whoever is signed in has an engine on every page, and one only", () => {
  show("7");
  show("7");

  expect(workers.map(({ heard }) => heard)).toEqual([
    [{ type: "hello", baseUrl: location.origin, accountId: "7" }],
  ]);
});

test("a visitor has one only when a page asks for something", () => {
  show(null);
  expect(workers).toHaveLength(0);

  uploads.send({ type: "watch", galleryId: "g" });

  expect(workers[0]?.heard.map(({ type }) => type)).toEqual(["hello", "watch"]);
});

test("while nobody is signed in the uploads wait for their owner, and somebody else ends them", () => {
  show("7");
  show(null);
  uploads.send({ type: "pause" });
  expect(workers[0]).toMatchObject({ isOver: false, heard: { length: 2 } });

  show("8");

  expect(workers.map(({ isOver }) => isOver)).toEqual([true, false]);
  expect(workers[1]?.heard).toMatchObject([{ type: "hello", accountId: "8" }]);
  expect(told.at(-1)).toMatchObject({ type: "tally", total: null });
});

test("signing out waits until all is forgotten, then the form is sent", async () => {
  show("7");

  expect(signOutHere().defaultPrevented).toBe(true);
  expect(workers[0]?.heard.at(-1)).toEqual({ type: "sign_out" });
  expect(submitted).not.toHaveBeenCalled();
  workers[0]?.say({ type: "signed_out" });
  await vi.advanceTimersByTimeAsync(0);

  expect(submitted).toHaveBeenCalledOnce();
  expect(forget).not.toHaveBeenCalled();
  expect(workers[0]?.isOver).toBe(true);
  expect(told.map(({ type }) => type)).toEqual(["tally", "signed_out"]);
  expect(signedOutElsewhere).not.toHaveBeenCalled();
});

test("an engine that does not answer is not waited for", async () => {
  show("7");
  signOutHere();

  await vi.advanceTimersByTimeAsync(1_499);
  expect(submitted).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);

  expect(submitted).toHaveBeenCalledOnce();
  expect(workers[0]?.isOver).toBe(true);
});

test("what an engine that does not answer would have forgotten is forgotten by the page, before it is left", async () => {
  let isForgotten = (): void => {};
  forget.mockReturnValueOnce(
    new Promise((resolve) => {
      isForgotten = () => resolve(true);
    }),
  );
  show("7");
  signOutHere();

  await vi.advanceTimersByTimeAsync(1_500);
  expect(forget.mock.calls).toEqual([["7"]]);
  expect(submitted).not.toHaveBeenCalled();
  isForgotten();
  await vi.advanceTimersByTimeAsync(0);

  expect(submitted).toHaveBeenCalledOnce();
});

test("a disk that does not answer either keeps nobody signed in", async () => {
  forget.mockReturnValueOnce(new Promise(() => {}));
  show("7");
  signOutHere();

  await vi.advanceTimersByTimeAsync(3_000);

  expect(submitted).toHaveBeenCalledOnce();
});

test("with photos on their way a person is asked first, and may stay", () => {
  show("7");
  unsent = 3;
  signOutHere();
  expect(document.querySelector("[role=alertdialog]")?.textContent).toContain("3 photos are not sent yet");

  press("Stay");
  expect(workers[0]?.heard.map(({ type }) => type)).toEqual(["hello"]);
  signOutHere();
  press("Sign out anyway");

  expect(workers[0]?.heard.at(-1)).toEqual({ type: "sign_out" });
});

test("signed out in another tab: nothing starts again until a page shows who is there", () => {
  show("7");
  workers[0]?.say({ type: "signed_out" });

  uploads.send({ type: "rows", galleryId: "g", fromIndex: 0, count: 9 });
  expect(workers).toHaveLength(1);
  expect(signedOutElsewhere).toHaveBeenCalledOnce();
  show("7");

  expect(workers).toHaveLength(2);
});
