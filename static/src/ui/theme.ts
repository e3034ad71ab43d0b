// Light paper or the darkroom: what the machine asks for, unless a person has chosen. The choice stays in this browser.

import { announce } from "./announcer.ts";

const KEY = "theme";
const CHOICES = ["system", "light", "dark"] as const;
const WORDS = { system: "as on this device", light: "light", dark: "dark" } as const;

type ThemeChoice = (typeof CHOICES)[number];

export function applyStoredTheme(): void {
  applyTheme(storedTheme());
}

export function listenForThemeSwitch(): void {
  document.addEventListener("click", (event) => {
    const target =
      event.target instanceof Element ? event.target.closest("[data-action='switch-theme']") : null;
    if (target !== null) {
      const next = CHOICES[(CHOICES.indexOf(storedTheme()) + 1) % CHOICES.length] ?? "system";
      storeTheme(next);
      applyTheme(next);
      announce(`Colours: ${WORDS[next]}`);
    }
  });
}

function applyTheme(choice: ThemeChoice): void {
  const root = document.documentElement;
  root.dataset["themeChoice"] = choice;
  if (choice === "system") {
    delete root.dataset["theme"];
  } else {
    root.dataset["theme"] = choice;
  }
}

function storedTheme(): ThemeChoice {
  try {
    return CHOICES.find((choice) => choice === localStorage.getItem(KEY)) ?? "system";
  } catch {
    return "system"; // storage is shut in some private windows
  }
}

function storeTheme(choice: ThemeChoice): void {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // The choice then lasts as long as the page.
  }
}
