import type { Route } from "../app/routes.ts";
import type { TranslationKey } from "../i18n/keys.ts";

/** Order of the menus in the menu bar. */
export const ACTION_CATEGORIES = ["file", "edit", "timeline", "playback", "render", "view", "help"] as const;
export type ActionCategory = (typeof ACTION_CATEGORIES)[number];

/** What every action may look at. What belongs to one feature, the feature's actions read from its own store. */
export interface ActionContext {
  readonly route: Route;
}

/** One thing the user can do. The registry feeds menus, keys, palette, help sheet and tooltips from it. */
export interface ActionDefinition {
  /** Stable, since the user's own shortcuts are stored under it: `timeline.split`. */
  readonly id: string;
  readonly labelKey: TranslationKey;
  readonly category: ActionCategory;
  /** In the notation of `shortcuts.ts`, such as `Mod+Shift+Z`; the first one is shown. */
  readonly defaultShortcuts: readonly string[];
  /** Whether it can run now. It must be cheap: menus and every key press ask. */
  readonly enabled: (context: ActionContext) => boolean;
  readonly run: (context: ActionContext) => void | Promise<void>;
  /** For switches: whether it is on. */
  readonly checked?: (context: ActionContext) => boolean;
  /** Left out of the menu bar, such as the finer steps of the playhead. */
  readonly hiddenInMenu?: boolean;
  /** A line above it in the menu. */
  readonly startsGroup?: boolean;
  /** Its shortcut also works while a text field has the focus. Only for those with Ctrl or Cmd that mean nothing in text. */
  readonly whileTyping?: boolean;
  /** Runs again while the key is held down. */
  readonly repeats?: boolean;
}
