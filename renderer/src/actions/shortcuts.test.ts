import { describe, expect, it } from "vitest";
import { type KeyPress, matchesShortcut, parseShortcut, shortcutForAria, shortcutForElectron, shortcutLabel, shortcutOfPress, shortcutText } from "./shortcuts.ts";

// eslint-disable-next-line @typescript-eslint/no-deprecated -- what some input methods still tell by it is part of the rules
const press = (key: string, code: string, more: Partial<KeyPress> = {}): KeyPress => ({ key, code, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, isComposing: false, keyCode: 0, ...more });
const matches = (text: string, event: KeyPress, mac = false): boolean => {
  const shortcut = parseShortcut(text);
  if (shortcut === null) throw new Error(`${text} is no shortcut`);
  return matchesShortcut(event, shortcut, mac);
};

describe("notation", () => {
  it("reads what it writes", () => {
    for (const text of ["S", "K+J", "Mod+K+L", "Mod+Shift+Z", "Control+Alt+ArrowLeft", "Space", "?", "Mod+Plus", "Mod+,", "Shift+Delete", "F11"]) {
      const shortcut = parseShortcut(text);
      expect(shortcut === null ? null : shortcutText(shortcut)).toBe(text);
    }
  });
  it("refuses what is none", () => {
    for (const text of ["", "Mod+", "Ctrl+S", "K+K", "K+Mod+J", "1+J", "Mod+Mod+S", "Mod+Sp", "é", "__proto__", "+"]) expect(parseShortcut(text)).toBeNull();
  });
});

describe("a letter held down", () => {
  const l = press("l", "KeyL");
  it("is wanted by a shortcut that names it, and minded by no other", () => {
    const held = new Set(["K"]);
    const chord = parseShortcut("K+L");
    const plain = parseShortcut("L");
    if (chord === null || plain === null) throw new Error("K+L is a shortcut");
    expect([matchesShortcut(l, chord, false, held), matchesShortcut(l, chord, false)]).toEqual([true, false]);
    expect([matchesShortcut(l, plain, false, held), matchesShortcut(l, plain, false)]).toEqual([true, true]);
    expect(shortcutLabel(chord, false)).toBe("K+L");
    expect(shortcutForElectron(chord)).toBeNull();
  });
});

describe("matching", () => {
  it("takes letters by what they write, so that a Dvorak S is S", () => {
    expect(matches("S", press("s", "Semicolon"))).toBe(true);
    expect(matches("S", press("o", "KeyS"))).toBe(false);
  });
  it("takes letters by their place where the layout writes no Latin ones", () => {
    expect(matches("S", press("ы", "KeyS"))).toBe(true);
    expect(matches("Mod+Z", press("я", "KeyZ", { ctrlKey: true }))).toBe(true);
    expect(matches("Alt+X", press("≈", "KeyX", { altKey: true }), true)).toBe(true);
    expect(matches("Alt+N", press("Dead", "KeyN", { altKey: true }), true)).toBe(true);
  });
  it("wants exactly the modifiers", () => {
    expect(matches("Mod+Z", press("z", "KeyZ"))).toBe(false);
    expect(matches("Mod+Z", press("Z", "KeyZ", { ctrlKey: true, shiftKey: true }))).toBe(false);
    expect(matches("Mod+Shift+Z", press("Z", "KeyZ", { ctrlKey: true, shiftKey: true }))).toBe(true);
    expect(matches("ArrowLeft", press("ArrowLeft", "ArrowLeft", { shiftKey: true }))).toBe(false);
    expect(matches("S", press("S", "KeyS", { shiftKey: true }))).toBe(false);
  });
  it("means Cmd by Mod on a Mac and Ctrl elsewhere", () => {
    const withCommand = press("k", "KeyK", { metaKey: true });
    expect(matches("Mod+K", withCommand, true)).toBe(true);
    expect(matches("Mod+K", withCommand, false)).toBe(false);
  });
  it("takes signs as they are written, whatever Shift did", () => {
    expect(matches("?", press("?", "Slash", { shiftKey: true }))).toBe(true);
    expect(matches("?", press("?", "Minus", { shiftKey: true }))).toBe(true);
    expect(matches("Mod+Plus", press("+", "Equal", { ctrlKey: true, shiftKey: true }))).toBe(true);
    expect(matches("Plus", press("+", "NumpadAdd"))).toBe(true);
    expect(matches("=", press("+", "Equal", { shiftKey: true }))).toBe(false);
    expect(matches("Shift+[", press("{", "BracketLeft", { shiftKey: true }))).toBe(true);
    expect(matches("[", press("{", "BracketLeft", { shiftKey: true }))).toBe(false);
  });
  it("leaves an input method alone", () => {
    expect(matches("S", press("s", "KeyS", { isComposing: true }))).toBe(false);
    expect(matches("S", press("s", "KeyS", { keyCode: 229 }))).toBe(false);
    expect(matches("S", press("Process", "KeyS"))).toBe(false);
    expect(shortcutOfPress(press("Process", "KeyS"), false)).toBeNull();
  });
});

describe("recording", () => {
  it("finds the shortcut that the same press matches", () => {
    const presses = [press("s", "KeyS"), press("Z", "KeyZ", { ctrlKey: true, shiftKey: true }), press("?", "Slash", { shiftKey: true }), press("+", "Equal", { ctrlKey: true, shiftKey: true }), press(" ", "Space"), press("ы", "KeyS"), press("ArrowUp", "ArrowUp", { altKey: true }), press("!", "Digit1", { shiftKey: true })];
    for (const one of presses) {
      const shortcut = shortcutOfPress(one, false);
      expect(shortcut, one.key).not.toBeNull();
      if (shortcut !== null) expect(matches(shortcutText(shortcut), one), shortcutText(shortcut)).toBe(true);
    }
  });
  it("waits while only modifiers are down", () => {
    expect(shortcutOfPress(press("Shift", "ShiftLeft", { shiftKey: true }), false)).toBeNull();
  });
});

it("writes shortcuts as each place wants them", () => {
  const shortcut = parseShortcut("Mod+Shift+ArrowLeft");
  if (shortcut === null) throw new Error("not read");
  expect(shortcutLabel(shortcut, false)).toBe("Ctrl+Shift+←");
  expect(shortcutLabel(shortcut, true)).toBe("⇧⌘←");
  expect(shortcutForAria(shortcut, true)).toBe("Meta+Shift+ArrowLeft");
  expect(shortcutForElectron(shortcut)).toBe("CmdOrCtrl+Shift+Left");
});
