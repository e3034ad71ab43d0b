// Pure: what a key means in the list of files.

export type ListKey =
  | { readonly type: "move"; readonly index: number; readonly extends: boolean }
  | { readonly type: "toggle" | "all" | "clear" | "remove" };

export type KeyPressed = Readonly<{ key: string; shiftKey: boolean; ctrlKey: boolean; metaKey: boolean }>;
export type ListPlace = Readonly<{ index: number; rowCount: number; rowsInView: number }>;

/** Null for a key that means nothing here. */
export function listKeyOf(pressed: KeyPressed, place: ListPlace): ListKey | null {
  switch (pressed.key) {
    case " ":
      return { type: "toggle" };
    case "a":
      return pressed.ctrlKey || pressed.metaKey ? { type: "all" } : null;
    case "Escape":
      return { type: "clear" };
    case "Delete":
      return { type: "remove" };
    default:
      return moveOf(pressed, place);
  }
}

function moveOf({ key, shiftKey }: KeyPressed, { index, rowCount, rowsInView }: ListPlace): ListKey | null {
  const page = Math.max(1, rowsInView - 1);
  const wanted = new Map([
    ["ArrowDown", index + 1],
    ["ArrowUp", index - 1],
    ["PageDown", index + page],
    ["PageUp", index - page],
    ["Home", 0],
    ["End", rowCount - 1],
  ]).get(key);
  if (wanted === undefined || rowCount === 0) {
    return null;
  }
  return { type: "move", index: Math.min(rowCount - 1, Math.max(0, wanted)), extends: shiftKey };
}
