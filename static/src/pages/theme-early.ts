// Runs before the first paint, so that a chosen theme never flashes. Stands alone: it must stay one classic script.
{
  let choice: string | null = null;
  try {
    choice = localStorage.getItem("theme");
  } catch {
    // Storage is shut in some private windows.
  }
  const root = document.documentElement;
  if (choice === "light" || choice === "dark") {
    root.dataset["theme"] = choice;
    root.dataset["themeChoice"] = choice;
  }
}
