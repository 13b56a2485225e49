import { createStore, type StoreApi } from "zustand/vanilla";
import type { ActionContext, ActionDefinition } from "./definition.ts";
import { matchesShortcut, parseShortcut, shortcutText, type KeyPress, type Shortcut } from "./shortcuts.ts";

/** Action id -> shortcuts that replace its default ones; an empty list takes them away. */
export type ShortcutOverrides = Readonly<Record<string, readonly string[]>>;

export interface RegistryState {
  /** In the order of registration. */
  readonly actions: readonly ActionDefinition[];
  readonly overrides: ShortcutOverrides;
  /** Rises when what is enabled or checked has changed. */
  readonly round: number;
}

/** All actions that can be reached now. Screens add theirs while they are open. */
export interface ActionRegistry {
  readonly store: StoreApi<RegistryState>;
  /** Returns how to take them away again. An id that is there already is an error of the program. */
  readonly add: (actions: readonly ActionDefinition[]) => () => void;
  readonly find: (id: string) => ActionDefinition | null;
  readonly setOverrides: (overrides: ShortcutOverrides) => void;
  /** To be called when what `enabled` or `checked` look at may have changed. Only when it has are the listeners told. */
  readonly invalidate: () => void;
}

export function createActionRegistry(contextNow: () => ActionContext): ActionRegistry {
  const store = createStore<RegistryState>(() => ({ actions: [], overrides: {}, round: 0 }));
  let known = "";
  return {
    store,
    add: (added) => {
      const known = new Set(store.getState().actions.map((action) => action.id));
      for (const action of added) {
        if (known.has(action.id)) throw new Error(`Two actions are called ${action.id}`);
        known.add(action.id);
      }
      store.setState(({ actions }) => ({ actions: [...actions, ...added] }));
      return () => store.setState(({ actions }) => ({ actions: actions.filter((action) => !added.includes(action)) }));
    },
    find: (id) => store.getState().actions.find((action) => action.id === id) ?? null,
    setOverrides: (overrides) => store.setState({ overrides }),
    invalidate: () => {
      const availability = availabilityOf(store.getState().actions, contextNow());
      if (availability === known) return;
      known = availability;
      store.setState(({ round }) => ({ round: round + 1 }));
    },
  };
}

/** What can run and what is on, a letter for each action. */
function availabilityOf(actions: readonly ActionDefinition[], context: ActionContext): string {
  let letters = "";
  for (const action of actions) letters += `${action.enabled(context) ? "e" : "d"}${action.checked?.(context) === true ? "+" : "-"}`;
  return letters;
}

/** The user's own shortcuts of an action, or undefined. Only entries of the settings count, not what every object has, such as `constructor`. */
export function overridden(overrides: ShortcutOverrides, id: string): readonly string[] | undefined {
  return Object.entries(overrides).find(([key]) => key === id)?.[1];
}

/** The shortcuts in force, those that cannot be read left out. */
export function shortcutsOf(action: ActionDefinition, overrides: ShortcutOverrides): readonly Shortcut[] {
  return (overridden(overrides, action.id) ?? action.defaultShortcuts).map(parsedOnce).filter((shortcut) => shortcut !== null);
}

const parsed = new Map<string, Shortcut | null>();

/** Every key press asks for the shortcuts of all actions. */
function parsedOnce(text: string): Shortcut | null {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const shortcut = parseShortcut(text);
  parsed.set(text, shortcut);
  return shortcut;
}

/**
 * The action a key press means. Of several on the same keys the first that can run now; one that wants a letter held down that is
 * down has precedence.
 */
export function actionOfPress(state: RegistryState, press: KeyPress, context: ActionContext, mac: boolean, held: ReadonlySet<string> = new Set()): ActionDefinition | null {
  const meant = state.actions.flatMap((action) => {
    const shortcut = shortcutsOf(action, state.overrides).find((one) => matchesShortcut(press, one, mac, held));
    return shortcut !== undefined && action.enabled(context) ? [{ action, holds: shortcut.held !== null }] : [];
  });
  return (meant.find(({ holds }) => holds) ?? meant[0])?.action ?? null;
}

/** Actions that have a shortcut in common, by that shortcut's text. Only those with two or more. */
export function shortcutConflicts(actions: readonly ActionDefinition[], overrides: ShortcutOverrides): ReadonlyMap<string, readonly ActionDefinition[]> {
  const users = new Map<string, ActionDefinition[]>();
  for (const action of actions) {
    for (const text of new Set(shortcutsOf(action, overrides).map(shortcutText))) users.set(text, [...(users.get(text) ?? []), action]);
  }
  return new Map([...users].filter(([, list]) => list.length > 1));
}
