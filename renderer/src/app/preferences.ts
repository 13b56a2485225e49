import { useEffect } from "react";
import type { Settings } from "../../../electron/contract/settings.schema.ts";
import { actionRegistry } from "../actions/actions.ts";
import { changeLanguage } from "../i18n/index.ts";
import { client, faultOf } from "../rpc/client.ts";
import { useLatest } from "../rpc/stream.ts";
import { settings } from "../rpc/streams.ts";
import { showFaultToast } from "./fault-toast.ts";
import { applyTheme } from "./theme.ts";

/** The settings of the program, or null until the server has answered. */
export function useSettings(): Settings | null {
  return useLatest(settings);
}

/** Keeps the page as the settings say, also when another window changes them. Once, in the page's frame. */
export function useApplySettings(): void {
  const now = useSettings();
  const theme = now?.theme;
  const language = now?.language;
  const shortcuts = now?.shortcuts;
  useEffect(() => {
    if (theme !== undefined) applyTheme(theme);
  }, [theme]);
  useEffect(() => {
    if (language !== undefined) void changeLanguage(language);
  }, [language]);
  useEffect(() => {
    if (shortcuts !== undefined) actionRegistry.setOverrides(shortcuts);
  }, [shortcuts]);
}

/** Changes what is seen at once, before the server has answered. A refusal is told, and the stream brings the old value back. */
export async function changeSettings(change: Partial<Settings>): Promise<void> {
  if (change.theme !== undefined) applyTheme(change.theme);
  if (change.language !== undefined) await changeLanguage(change.language);
  try {
    await client.settings.change(change);
  } catch (error) {
    showFaultToast(faultOf(error));
  }
}
