import { useSyncExternalStore, type ReactNode } from "react";
import i18next from "i18next";
import { actionContext, actionRegistry, runAction, shortcutShown, useAction } from "../../../actions/actions.ts";
import type { ActionDefinition } from "../../../actions/definition.ts";
import { IconButton } from "../../../ui/IconButton.tsx";
import type { MenuEntry } from "../../../ui/menu-entries.ts";

/** A toolbar button for an action: name, keys, whether it can run and, for switches, whether it is on. */
export function ActionButton({ action, icon }: { readonly action: ActionDefinition; readonly icon: ReactNode }) {
  const view = useAction(action);
  const enabled = useSyncExternalStore(actionRegistry.store.subscribe, () => action.enabled(actionContext()));
  const checked = useSyncExternalStore(actionRegistry.store.subscribe, () => action.checked?.(actionContext()));
  return <IconButton {...view} icon={icon} size="small" disabled={!enabled} pressed={checked} />;
}

/** A menu entry for an action. Made when the menu opens. */
export function entryOf(action: ActionDefinition, icon?: ReactNode): MenuEntry {
  return {
    kind: "item",
    id: action.id,
    label: i18next.t(action.labelKey),
    icon,
    shortcut: shortcutShown(action),
    disabled: !action.enabled(actionContext()),
    checked: action.checked?.(actionContext()),
    onSelect: () => runAction(action),
  };
}
