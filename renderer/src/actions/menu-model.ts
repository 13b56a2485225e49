import type { ShellMenu, ShellMenuItem } from "../../../electron/contract/shell.ts";
import { ACTION_CATEGORIES, type ActionCategory, type ActionContext, type ActionDefinition } from "./definition.ts";
import { type RegistryState, shortcutsOf } from "./registry.ts";
import { shortcutForElectron } from "./shortcuts.ts";

export interface ActionMenu {
  readonly category: ActionCategory;
  readonly actions: readonly ActionDefinition[];
}

/** The menus that have something in them, in their order. */
export function menusOf(actions: readonly ActionDefinition[]): readonly ActionMenu[] {
  return ACTION_CATEGORIES.map((category) => ({
    category,
    actions: actions.filter((action) => action.category === category && action.hiddenInMenu !== true),
  })).filter((menu) => menu.actions.length > 0);
}

const ROLES: Partial<Record<ActionCategory, ShellMenu["role"]>> = { edit: "edit", help: "help" };

/** The same menus for the native menu bar. */
export function shellMenus(
  state: RegistryState,
  context: ActionContext,
  words: { readonly category: (category: ActionCategory) => string; readonly action: (action: ActionDefinition) => string },
): readonly ShellMenu[] {
  return menusOf(state.actions).map(({ category, actions }) => ({
    label: words.category(category),
    role: ROLES[category] ?? null,
    items: actions.flatMap((action, index): ShellMenuItem[] => {
      const shortcut = shortcutsOf(action, state.overrides)[0];
      const item: ShellMenuItem = {
        kind: "action",
        id: action.id,
        label: words.action(action),
        accelerator: shortcut === undefined ? null : shortcutForElectron(shortcut),
        enabled: action.enabled(context),
        checked: action.checked?.(context) ?? null,
      };
      return action.startsGroup === true && index > 0 ? [{ kind: "separator" }, item] : [item];
    }),
  }));
}
