import { describe, expect, it } from "vitest";
import type { ActionDefinition } from "./definition.ts";
import { menusOf, shellMenus } from "./menu-model.ts";
import { actionOfPress, createActionRegistry, shortcutConflicts, shortcutsOf } from "./registry.ts";
import { shortcutText } from "./shortcuts.ts";

const context = { route: { page: "home" } } as const;
const action = (id: string, shortcuts: readonly string[], more: Partial<ActionDefinition> = {}): ActionDefinition => ({ id, labelKey: "common.close", category: "edit", defaultShortcuts: shortcuts, enabled: () => true, run: () => undefined, ...more });
const pressed = { key: "s", code: "KeyS", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, isComposing: false, keyCode: 83 };

describe("registry", () => {
  it("adds and takes away what a screen brings", () => {
    const registry = createActionRegistry(() => context);
    registry.add([action("a", [])]);
    const remove = registry.add([action("b", []), action("c", [])]);
    expect(registry.store.getState().actions.map(({ id }) => id)).toEqual(["a", "b", "c"]);
    remove();
    expect(registry.store.getState().actions.map(({ id }) => id)).toEqual(["a"]);
    expect(registry.find("b")).toBeNull();
  });
  it("does not take two of the same name", () => {
    const registry = createActionRegistry(() => context);
    registry.add([action("a", [])]);
    expect(() => registry.add([action("a", [])])).toThrow("a");
    expect(() => registry.add([action("b", []), action("b", [])])).toThrow("b");
  });
});

describe("what can run", () => {
  it("is told once it is different, not with every change elsewhere", () => {
    let [selected, looping] = [0, false];
    const registry = createActionRegistry(() => context);
    registry.add([action("delete", [], { enabled: () => selected > 0 }), action("loop", [], { checked: () => looping })]);
    registry.invalidate();
    let told = 0;
    registry.store.subscribe(() => (told += 1));
    registry.invalidate();
    expect(told).toBe(0);
    selected = 1;
    registry.invalidate();
    selected = 2;
    registry.invalidate();
    expect(told).toBe(1);
    looping = true;
    registry.invalidate();
    expect(told).toBe(2);
  });
});

describe("shortcuts in force", () => {
  it("are the user's own where there are any", () => {
    const split = action("split", ["S"]);
    const texts = (overrides: Record<string, readonly string[]>) => shortcutsOf(split, overrides).map(shortcutText);
    expect(texts({})).toEqual(["S"]);
    expect(texts({ split: ["Mod+B"] })).toEqual(["Mod+B"]);
    expect(texts({ split: [] })).toEqual([]);
    expect(texts({ split: ["nonsense", "F2"] })).toEqual(["F2"]);
  });
  it("are not read from the object's prototype", () => {
    expect(shortcutsOf(action("constructor", ["S"]), {}).map(shortcutText)).toEqual(["S"]);
  });
  it("reach the first action that can run", () => {
    const actions = [action("off", ["S"], { enabled: () => false }), action("on", ["S"]), action("later", ["S"])];
    expect(actionOfPress({ actions, overrides: {}, round: 0 }, pressed, context, false)?.id).toBe("on");
    expect(actionOfPress({ actions, overrides: { on: [], later: [] }, round: 0 }, pressed, context, false)).toBeNull();
  });
  it("reach what wants a letter held down before what does not", () => {
    const actions = [action("shuttle", ["S"]), action("step", ["ArrowLeft", "K+S"])];
    const held = new Set(["K"]);
    expect(actionOfPress({ actions, overrides: {}, round: 0 }, pressed, context, false, held)?.id).toBe("step");
    expect(actionOfPress({ actions, overrides: {}, round: 0 }, pressed, context, false)?.id).toBe("shuttle");
  });
  it("are pointed out where two actions share them", () => {
    const actions = [action("a", ["S", "Mod+B"]), action("b", ["S"]), action("c", ["X"])];
    expect([...shortcutConflicts(actions, {})].map(([text, list]) => [text, list.map(({ id }) => id)])).toEqual([["S", ["a", "b"]]]);
    expect(shortcutConflicts(actions, { b: ["Z"] }).size).toBe(0);
  });
});

describe("menus", () => {
  const actions = [action("help", ["?"], { category: "help" }), action("undo", ["Mod+Z"]), action("cut", [], { startsGroup: true, enabled: () => false }), action("nudge", ["N"], { hiddenInMenu: true })];
  it("have the categories' order and only what belongs there", () => {
    expect(menusOf(actions).map((menu) => [menu.category, menu.actions.map(({ id }) => id)])).toEqual([
      ["edit", ["undo", "cut"]],
      ["help", ["help"]],
    ]);
  });
  it("are told to the shell with lines, states and keys", () => {
    const [edit] = shellMenus({ actions, overrides: {}, round: 0 }, context, { category: (name) => name.toUpperCase(), action: ({ id }) => id });
    expect(edit).toEqual({
      label: "EDIT",
      role: "edit",
      items: [
        { kind: "action", id: "undo", label: "undo", accelerator: "CmdOrCtrl+Z", enabled: true, checked: null },
        { kind: "separator" },
        { kind: "action", id: "cut", label: "cut", accelerator: null, enabled: false, checked: null },
      ],
    });
  });
});
