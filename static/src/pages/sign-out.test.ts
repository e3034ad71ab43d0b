// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { listenForSignOut } from "./sign-out.ts";

test("the question counts the photos that are not sent at the moment it is read", async () => {
  document.body.innerHTML = "<main></main><form action='/accounts/logout/'></form>";
  let unsent = 24;
  let report = (): void => {};
  let isLeft = false;
  const uploads = {
    signOut: () => {
      isLeft = true;
      return new Promise<void>(() => {});
    },
    subscribe: (listener: () => void) => {
      report = listener;
    },
  };
  listenForSignOut(uploads, () => unsent);

  document.querySelector("form")?.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
  const asked = [words()];
  for (unsent of [3, 1, 0]) {
    report();
    asked.push(words());
  }
  const isAskedStill = !isLeft;
  [...document.querySelectorAll("button")].at(-1)?.click();

  expect(asked).toEqual([
    "24 photos are not sent yet, and are forgotten here when you sign out.",
    "3 photos are not sent yet, and are forgotten here when you sign out.",
    "1 photo is not sent yet, and is forgotten here when you sign out.",
    "All photos are sent now: nothing is lost when you sign out.",
  ]);
  expect([isAskedStill, isLeft]).toEqual([true, true]);
});

function words(): string | null | undefined {
  return document.querySelector("[role=alertdialog] p")?.textContent;
}
