import i18next from "i18next";
import { useMemo } from "react";
import { initReactI18next, useTranslation } from "react-i18next";
import { createFormats, type Formats } from "./formats.ts";
import { SERVER_TEXTS } from "./server-texts.ts";

export type Language = "en" | "zh";
export type LanguageChoice = Language | "system";

/** Remembered by the page so that the first picture is right before the server has answered. */
const REMEMBERED = "avatar-studio.language";

/** The language to use for a choice; `preferred` are the system's languages, best first. */
export function resolveLanguage(choice: LanguageChoice, preferred: readonly string[]): Language {
  if (choice !== "system") return choice;
  for (const one of preferred) {
    if (/^zh\b/i.test(one)) return "zh";
    if (/^en\b/i.test(one)) return "en";
  }
  return "en";
}

/** A page loads the texts of the language it shows: its own, and those for what the server says. */
async function textsOf(language: Language) {
  const [page, server] = await (language === "zh"
    ? Promise.all([import("./zh/index.ts"), import("./server-texts/zh.json")])
    : Promise.all([import("./en/index.ts"), import("./server-texts/en.json")]));
  return { translation: page.default, [SERVER_TEXTS]: server.default };
}

export async function startTranslation(): Promise<void> {
  const remembered = localStorage.getItem(REMEMBERED);
  const language = resolveLanguage(remembered === "en" || remembered === "zh" ? remembered : "system", navigator.languages);
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: false,
    resources: { [language]: await textsOf(language) },
    // React escapes what it shows.
    interpolation: { escapeValue: false },
    returnNull: false,
  });
  document.documentElement.lang = language;
}

/** The language that was asked for last: an earlier one may still be on its way. */
let wanted: Language | null = null;

/** Changes all texts at once. */
export async function changeLanguage(choice: LanguageChoice): Promise<void> {
  const language = resolveLanguage(choice, navigator.languages);
  wanted = language;
  if (choice === "system") localStorage.removeItem(REMEMBERED);
  else localStorage.setItem(REMEMBERED, choice);
  if (!i18next.hasResourceBundle(language, "translation")) {
    for (const [name, texts] of Object.entries(await textsOf(language))) i18next.addResourceBundle(language, name, texts);
  }
  if (wanted !== language || i18next.language === language) return;
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}

/** Number formats of the language in use. */
export function useFormats(): Formats {
  const { i18n } = useTranslation();
  return useMemo(() => createFormats(i18n.language), [i18n.language]);
}
