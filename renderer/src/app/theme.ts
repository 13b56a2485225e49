import type { Settings } from "../../../electron/contract/settings.schema.ts";

export type ThemeChoice = Settings["theme"];
export type Theme = Exclude<ThemeChoice, "system">;

/** Remembered by the page so that the first picture is right before the server has answered. */
const REMEMBERED = "avatar-studio.theme";
const prefersLight = window.matchMedia("(prefers-color-scheme: light)");
let chosen: ThemeChoice = "system";

function show(): void {
  const theme: Theme = chosen === "system" ? (prefersLight.matches ? "light" : "dark") : chosen;
  document.documentElement.dataset.theme = theme;
}

/** Shows the theme at once and remembers it. */
export function applyTheme(choice: ThemeChoice): void {
  chosen = choice;
  localStorage.setItem(REMEMBERED, choice);
  show();
}

export function applyRememberedTheme(): void {
  const remembered = localStorage.getItem(REMEMBERED);
  chosen = remembered === "light" || remembered === "dark" ? remembered : "system";
  show();
  prefersLight.addEventListener("change", show);
}

export function themeInUse(): Theme {
  return document.documentElement.dataset.theme === "light" ? "light" : "dark";
}
