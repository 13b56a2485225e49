/**
 * Keyboard shortcuts as text: modifiers and one key joined by `+`, such as `Mod+Shift+Z`, `Alt+X`, `ArrowLeft`, `Space`, `?`.
 * `Mod` is Cmd on a Mac and Ctrl elsewhere; the plus key is written `Plus`. Letters are written in capitals and mean the letter.
 * A letter in front of the key is held down meanwhile: `K+L`.
 */
export interface Shortcut {
  readonly mod: boolean;
  /** The Control key of a Mac; elsewhere Ctrl is `Mod`. */
  readonly control: boolean;
  readonly alt: boolean;
  readonly shift: boolean;
  /** A letter that is held down; null for most. */
  readonly held: string | null;
  readonly key: string;
}

/** The part of a KeyboardEvent that decides, so that tests need no browser. */
export type KeyPress = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey" | "isComposing" | "keyCode">;

const NAMED_KEYS = new Set([
  "Space", "Plus", "Enter", "Tab", "Escape", "Backspace", "Delete", "Insert", "Home", "End", "PageUp", "PageDown",
  "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", ...Array.from({ length: 24 }, (_, index) => `F${String(index + 1)}`),
]);

/** Reads the notation; null when it is none. */
export function parseShortcut(text: string): Shortcut | null {
  const parts = text.split("+");
  const key = parts.pop();
  if (key === undefined) return null;
  const single = key.length === 1 && key > " " && key <= "~";
  if (!single && !NAMED_KEYS.has(key)) return null;
  const last = parts.at(-1);
  const held = last !== undefined && isLetter(last) && last !== key.toUpperCase() ? last : null;
  if (held !== null) parts.pop();
  const modifiers = new Set(parts);
  if (modifiers.size !== parts.length) return null;
  for (const modifier of modifiers) if (!["Mod", "Control", "Alt", "Shift"].includes(modifier)) return null;
  return {
    mod: modifiers.has("Mod"),
    control: modifiers.has("Control"),
    alt: modifiers.has("Alt"),
    shift: modifiers.has("Shift"),
    held,
    key: single ? key.toUpperCase() : key,
  };
}

/** The notation of a shortcut, with the modifiers in one fixed order. */
export function shortcutText(shortcut: Shortcut): string {
  const { mod, control, alt, shift, held, key } = shortcut;
  return [mod && "Mod", control && "Control", alt && "Alt", shift && "Shift", held, key].filter((part) => part !== false && part !== null).join("+");
}

/** Keys of a US keyboard by position, for layouts that write no Latin letters. */
const KEY_OF_CODE: Readonly<Record<string, string>> = {
  Minus: "-", Equal: "=", BracketLeft: "[", BracketRight: "]", Backslash: "\\", Semicolon: ";", Quote: "'",
  Backquote: "`", Comma: ",", Period: ".", Slash: "/",
  NumpadAdd: "Plus", NumpadSubtract: "-", NumpadDecimal: ".", NumpadDivide: "/", NumpadMultiply: "*", NumpadEnter: "Enter",
};

function keyOfCode(code: string): string | null {
  if (/^Key[A-Z]$/.test(code)) return code.slice(3);
  if (/^(Digit|Numpad)\d$/.test(code)) return code.slice(-1);
  return KEY_OF_CODE[code] ?? null;
}

function namedKey(key: string): string | null {
  if (key === " " || key === "Spacebar") return "Space";
  if (key === "+") return "Plus";
  return NAMED_KEYS.has(key) ? key : null;
}

const isLetter = (key: string): boolean => key >= "A" && key <= "Z" && key.length === 1;

/** Whether an input method is still composing a character: no key press then is meant for the program. */
export function isComposing(press: KeyPress): boolean {
  // Some input methods report the first key only by this old code, before `isComposing` is true.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  return press.isComposing || press.keyCode === 229 || press.key === "Process";
}

/**
 * The keys a press may stand for, best first: the character it writes, then, for layouts without Latin letters or keys that
 * Alt turned into another character, the one at its place on a US keyboard.
 */
function keysOf(press: KeyPress): readonly string[] {
  const named = namedKey(press.key);
  if (named !== null) return [named];
  const latin = press.key.length === 1 && press.key > " " && press.key <= "~";
  const byPlace = keyOfCode(press.code);
  if (!latin) return byPlace === null ? [] : [byPlace];
  const written = press.key.toUpperCase();
  // Shift+1 writes `!`: a shortcut may name either. Letters are never taken by place when the layout writes Latin ones.
  return byPlace !== null && !isLetter(byPlace) && !isLetter(written) ? [written, byPlace] : [written];
}

/** The letter that a key stands for while it is held down; null for other keys. */
export function letterOf(press: KeyPress): string | null {
  return keysOf(press).find(isLetter) ?? null;
}

const NONE_HELD: ReadonlySet<string> = new Set();

/**
 * Whether a key press is this shortcut.
 * @param held letters that are down already; a shortcut that wants none does not mind them
 */
export function matchesShortcut(press: KeyPress, shortcut: Shortcut, mac: boolean, held: ReadonlySet<string> = NONE_HELD): boolean {
  if (isComposing(press) || (shortcut.held !== null && !held.has(shortcut.held))) return false;
  const mod = mac ? press.metaKey : press.ctrlKey;
  const control = mac ? press.ctrlKey : press.metaKey;
  if (mod !== shortcut.mod || control !== shortcut.control || press.altKey !== shortcut.alt) return false;
  return keysOf(press).some((key, index) => {
    if (key !== shortcut.key) return false;
    // Shift that was needed to write a sign, such as `?`, is part of the sign and not of the shortcut.
    const shiftWroteIt = index === 0 && !shortcut.shift && (key === "Plus" || (key.length === 1 && !isLetter(key) && !/\d/.test(key)));
    return shiftWroteIt || press.shiftKey === shortcut.shift;
  });
}

/** The shortcut that a press would be stored as, or null while only modifiers are down. */
export function shortcutOfPress(press: KeyPress, mac: boolean): Shortcut | null {
  if (isComposing(press)) return null;
  const key = keysOf(press)[0];
  if (key === undefined) return null;
  const sign = key === "Plus" || (key.length === 1 && !isLetter(key) && !/\d/.test(key));
  return {
    mod: mac ? press.metaKey : press.ctrlKey,
    control: mac ? press.ctrlKey : press.metaKey,
    alt: press.altKey,
    shift: press.shiftKey && !sign,
    held: null,
    key,
  };
}

const MAC_SIGNS: Readonly<Record<string, string>> = {
  Enter: "↩", Tab: "⇥", Escape: "⎋", Backspace: "⌫", Delete: "⌦", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓",
  Home: "↖", End: "↘", PageUp: "⇞", PageDown: "⇟", Plus: "+",
};
const SIGNS: Readonly<Record<string, string>> = {
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", Delete: "Del", PageUp: "PgUp", PageDown: "PgDn", Plus: "+", "-": "−",
};

/** The keys one by one, as printed on the user's keyboard: `["⌘", "Z"]` or `["Ctrl", "Z"]`. */
export function shortcutKeys(shortcut: Shortcut, mac: boolean): readonly string[] {
  const { mod, control, alt, shift, held, key } = shortcut;
  // Apple's order is Control, Option, Shift, Command.
  const modifiers = mac
    ? [control && "⌃", alt && "⌥", shift && "⇧", mod && "⌘"]
    : [mod && "Ctrl", control && "Win", alt && "Alt", shift && "Shift"];
  const shown = (mac ? MAC_SIGNS : SIGNS)[key] ?? key;
  return [...modifiers.filter((part) => part !== false), ...(held === null ? [] : [held]), shown];
}

/** Shown in menus and tooltips: `⌘Z` or `Ctrl+Z`. */
export function shortcutLabel(shortcut: Shortcut, mac: boolean): string {
  return shortcutKeys(shortcut, mac).join(mac ? "" : "+");
}

/** The same for screen readers (`aria-keyshortcuts`): `Meta+Z` or `Control+Z`. */
export function shortcutForAria(shortcut: Shortcut, mac: boolean): string {
  const { mod, control, alt, shift, key } = shortcut;
  // A held letter cannot be told this way: such a shortcut is never an action's first one.
  const parts = [mod && (mac ? "Meta" : "Control"), control && (mac ? "Control" : "Meta"), alt && "Alt", shift && "Shift", key === "Plus" ? "+" : key];
  return parts.filter((part) => part !== false).join("+");
}

const ELECTRON_KEYS: Readonly<Record<string, string>> = { ArrowLeft: "Left", ArrowRight: "Right", ArrowUp: "Up", ArrowDown: "Down", Escape: "Esc" };

/** The same as Electron writes it: `CmdOrCtrl+Shift+Z`. Null for what its menus do not know: a letter held down. */
export function shortcutForElectron(shortcut: Shortcut): string | null {
  const { mod, control, alt, shift, held, key } = shortcut;
  if (held !== null) return null;
  const parts = [mod && "CmdOrCtrl", control && "Control", alt && "Alt", shift && "Shift", ELECTRON_KEYS[key] ?? key];
  return parts.filter((part) => part !== false).join("+");
}

/** Whether the program runs on a Mac, by what the browser says. */
export function isMac(platform: string = navigator.platform): boolean {
  return /^(Mac|iPhone|iPad)/.test(platform);
}
