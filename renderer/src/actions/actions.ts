import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { currentRoute } from "../app/navigation.ts";
import type { ActionContext, ActionDefinition } from "./definition.ts";
import { createActionRegistry, shortcutsOf } from "./registry.ts";
import { isMac, shortcutForAria, shortcutLabel } from "./shortcuts.ts";

export const actionContext = (): ActionContext => ({ route: currentRoute() });

/** The page's one registry. */
export const actionRegistry = createActionRegistry(actionContext);

/** Runs an action if it can run now. Its own failures are shown by itself. */
export function runAction(action: ActionDefinition): void {
  const context = actionContext();
  if (action.enabled(context)) void action.run(context);
}

/** The first shortcut of an action as shown to the user, or undefined. */
export function shortcutShown(action: ActionDefinition): string | undefined {
  const shortcut = shortcutsOf(action, actionRegistry.store.getState().overrides)[0];
  return shortcut === undefined ? undefined : shortcutLabel(shortcut, isMac());
}

/** The same for an action of another feature, by its id; undefined while that feature is not there. */
export function shortcutOfAction(id: string): string | undefined {
  const action = actionRegistry.find(id);
  return action === null ? undefined : shortcutShown(action);
}

export interface ActionView {
  readonly label: string;
  readonly shortcut: string | undefined;
  readonly "aria-keyshortcuts": string | undefined;
  readonly onClick: () => void;
}

/**
 * What a button for an action needs: `<IconButton {...useAction(split)} icon={<Scissors />} disabled={…} />`.
 * Whether it is enabled is the caller's to know: it subscribes to the store that decides.
 */
export function useAction(action: ActionDefinition): ActionView {
  const { t } = useTranslation();
  const overrides = useStore(actionRegistry.store, (state) => state.overrides);
  const shortcut = shortcutsOf(action, overrides)[0];
  return {
    label: t(action.labelKey),
    shortcut: shortcut === undefined ? undefined : shortcutLabel(shortcut, isMac()),
    "aria-keyshortcuts": shortcut === undefined ? undefined : shortcutForAria(shortcut, isMac()),
    onClick: () => runAction(action),
  };
}
