import { expect, test } from "vitest";
import { TabLocks } from "./tab-lock.ts";

test("a page whose storage is blocked may not have locks: then its tab works alone", async () => {
  const request = (): Promise<never> => Promise.reject(new DOMException("blocked", "SecurityError"));

  await expect(new TabLocks({ request }).leadWhenFree("7")).resolves.toBe("alone");
});

test("a browser without locks has tabs that work alone", async () => {
  await expect(new TabLocks(null).leadWhenFree("7")).resolves.toBe("alone");
  await expect(new TabLocks(null).beThere("me")).resolves.toBeUndefined();
});

test("the lock is held for as long as the tab lives", async () => {
  const names: string[] = [];
  let isHeld = true;
  const request = (name: string, run: () => Promise<void>): Promise<void> => {
    names.push(name);
    return run().then(() => {
      isHeld = false;
    });
  };

  expect(await new TabLocks({ request }).leadWhenFree("7")).toBe("among_tabs");
  await new Promise((resolve) => setImmediate(resolve));

  expect(isHeld).toBe(true);
  expect(names).toEqual(["safelight-uploads:7"]);
});
