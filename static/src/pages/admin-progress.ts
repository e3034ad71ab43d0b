// The staff's list of galleries: how far each is, asked for while somebody looks.

const ASKED_EVERY_MS = 500;
/** Where nothing is on its way, something may begin: staff see it within a second, too. */
const ASKED_AT_REST_EVERY_MS = 900;

type Progress = Readonly<{
  percent: number;
  is_open: boolean;
  html: string;
  /** What stands beside it, by the name of the column. */
  columns: Readonly<Record<string, string>>;
}>;

const cells = new Map<string, HTMLElement>();

async function ask(): Promise<void> {
  const isAnyOpen = document.hidden ? false : await showAll();
  window.setTimeout(() => void ask(), isAnyOpen ? ASKED_EVERY_MS : ASKED_AT_REST_EVERY_MS);
}

/** Whether anything is on its way. */
async function showAll(): Promise<boolean> {
  const answer = await read();
  for (const [galleryId, { percent, html, columns }] of Object.entries(answer)) {
    const cell = cells.get(galleryId);
    if (cell === undefined) continue;
    // Ours, and of numbers alone.
    cell.innerHTML = html;
    cell.dataset["galleryPercent"] = String(percent);
    showColumns(cell.closest("tr"), columns);
  }
  return Object.values(answer).some(({ is_open }) => is_open);
}

function showColumns(row: Element | null, columns: Progress["columns"]): void {
  for (const [name, words] of Object.entries(columns)) {
    const shown = row?.querySelector(`.field-${name}`);
    if (shown != null && shown.textContent !== words) shown.textContent = words;
  }
}

async function read(): Promise<Readonly<Record<string, Progress>>> {
  const ids = new URLSearchParams([...cells.keys()].map((id) => ["id", id]));
  try {
    const response = await fetch(`progress?${ids}`, { credentials: "same-origin" });
    return response.ok ? ((await response.json()) as Record<string, Progress>) : {};
  } catch {
    return {};
  }
}

for (const cell of document.querySelectorAll<HTMLElement>("[data-progress-of]")) {
  cells.set(cell.dataset["progressOf"] ?? "", cell);
}
if (cells.size > 0) void ask();
