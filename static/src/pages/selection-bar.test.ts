// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from "vitest";
import { SelectionBar } from "./selection-bar.ts";

const settled = { interval: 1 } as const;
let root: HTMLElement;
let bar: SelectionBar;
let refused: readonly string[];

beforeEach(() => {
  refused = [];
  document.body.innerHTML = `
    <form data-part="deleted" data-count="0" hidden><span data-part="deleted-words">0 photos</span></form>
    <div data-part="selection"></div>`;
  root = document.querySelector("[data-part='selection']") as HTMLElement;
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    if (path === "/api/session") return Response.json({ csrf_token: "token" });
    const { ids } = JSON.parse(String(init.body)) as { ids: readonly string[] };
    const error = { code: "gallery_full", message: "", retryable: false };
    return Response.json({ photos: ids.map((id) => (refused.includes(id) ? { id, error } : { id })) });
  });
  bar = new SelectionBar(root, {
    galleryId: "g",
    canDelete: true,
    canDownload: false,
    clear: () => {},
    changed: () => {},
  });
  bar.show(new Set(["1", "2", "3"]));
});

function press(name: string): void {
  const buttons = Array.from(root.querySelectorAll("button"));
  buttons.find(({ textContent }) => textContent?.includes(name))?.click();
}

function offered(): string | null | undefined {
  const form = document.querySelector<HTMLFormElement>("[data-part='deleted']");
  return form?.hidden ? null : form?.textContent;
}

test("what was deleted is offered by the settings as well, until it is back", async () => {
  expect(offered()).toBeNull();

  press("Delete");
  await vi.waitFor(() => expect(offered()).toBe("3 photos"), settled);
  press("Undo");

  await vi.waitFor(() => expect(offered()).toBeNull(), settled);
});

test("what finds no room stays offered", async () => {
  press("Delete");
  await vi.waitFor(() => expect(offered()).toBe("3 photos"), settled);
  refused = ["2"];

  press("Undo");

  await vi.waitFor(() => expect(offered()).toBe("1 photo"), settled);
});
