// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { showInTitle } from "./page-title.ts";
import { tallyWith } from "./sample-uploads.ts";

test("the title says how far an upload is, and then is the page's own again", () => {
  const title = titleOf("Island, June – Safelight");

  showInTitle(title, tallyWith({ uploading: 3 }, { percent: 42 }));
  expect(title.text).toBe("42 % · Island, June – Safelight");
  showInTitle(title, tallyWith({ uploading: 3 }, { percent: 43 }));
  expect(title.text).toBe("43 % · Island, June – Safelight");
  showInTitle(title, tallyWith({ done: 3 }, { percent: 100 }));
  expect(title.text).toBe("Island, June – Safelight");
});

test("a page that is brought back with an old number loses it", () => {
  const title = titleOf("Galleries – Safelight");
  showInTitle(title, tallyWith({ uploading: 3 }, { percent: 42 }));
  const kept = title.cloneNode(true) as HTMLTitleElement;

  showInTitle(kept, null);

  expect(kept.text).toBe("Galleries – Safelight");
});

test("without an upload nothing is written", () => {
  const title = titleOf("42 % · of a marathon");

  showInTitle(title, null);

  expect(title.text).toBe("42 % · of a marathon");
});

function titleOf(text: string): HTMLTitleElement {
  const title = document.createElement("title");
  title.text = text;
  return title;
}
