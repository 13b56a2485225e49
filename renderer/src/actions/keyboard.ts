import { actionContext, actionRegistry, runAction } from "./actions.ts";
import { actionOfPress } from "./registry.ts";
import { isComposing, isMac, letterOf } from "./shortcuts.ts";

/** Inputs that take text. Buttons and sliders are not among them: shortcuts work while they have the focus. */
const TEXT_TYPES = new Set(["text", "search", "number", "email", "url", "password", "tel", "date", "time"]);

/** Whether keys typed into this element are text. */
export function takesText(element: Element | null): boolean {
  if (element === null) return false;
  if (element instanceof HTMLInputElement) return TEXT_TYPES.has(element.type);
  return element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement || (element instanceof HTMLElement && element.isContentEditable);
}

/** A dialog, menu or list that is open has all keys to itself. */
const OPEN_LAYERS = '[role="dialog"], [role="alertdialog"], [role="menu"], [role="listbox"][data-state="open"]';

/** Keys that press what has the focus, where that can be pressed. */
function pressesFocused(event: KeyboardEvent, target: Element | null): boolean {
  if (event.key !== " " && event.key !== "Enter") return false;
  if (target === null) return false;
  return target.closest('button, a[href], summary, input, [role="button"], [role="switch"], [role="checkbox"], [role="radio"], [role="tab"], [role="menuitem"], [role="option"], [role="treeitem"]') !== null;
}

/** Listens for the shortcuts of all actions. Returns how to stop. */
export function listenForShortcuts(target: Window = window): () => void {
  const mac = isMac();
  /** Letters that are down, by their place on the keyboard: another layout or Shift may have come when they are let go. */
  const held = new Map<string, string>();
  const hold = (event: KeyboardEvent) => {
    // A Mac does not tell when a letter is let go while Cmd is down.
    const letter = event.ctrlKey || event.metaKey || event.altKey ? null : letterOf(event);
    if (letter !== null) held.set(event.code, letter);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.defaultPrevented || isComposing(event)) return;
    const focused = event.target instanceof Element ? event.target : null;
    if (pressesFocused(event, focused) || document.querySelector(OPEN_LAYERS) !== null) return;
    const action = actionOfPress(actionRegistry.store.getState(), event, actionContext(), mac, new Set(held.values()));
    if (action === null) return;
    if (takesText(focused) && action.whileTyping !== true) return;
    event.preventDefault();
    if (event.repeat && action.repeats !== true) return;
    runAction(action);
  };
  // Windows and Linux open the menu when Alt is let go, also after Alt+X or a press with Alt.
  let altUsed = false;
  const onAltDown = (event: KeyboardEvent) => {
    if (event.key === "Alt") altUsed = false;
    else if (event.altKey) altUsed = true;
  };
  const onPress = (event: PointerEvent) => {
    altUsed ||= event.altKey;
  };
  // Nobody tells of keys that are let go over another window.
  const forget = () => held.clear();
  const onKeyUp = (event: KeyboardEvent) => {
    held.delete(event.code);
    if (event.key === "Alt" && altUsed) event.preventDefault();
  };
  target.addEventListener("keydown", onKeyDown);
  // After the shortcuts: a key does not hold itself.
  target.addEventListener("keydown", hold);
  target.addEventListener("blur", forget);
  target.addEventListener("keydown", onAltDown, true);
  target.addEventListener("keyup", onKeyUp);
  target.addEventListener("pointerdown", onPress, true);
  return () => {
    target.removeEventListener("keydown", onKeyDown);
    target.removeEventListener("keydown", hold);
    target.removeEventListener("blur", forget);
    target.removeEventListener("keydown", onAltDown, true);
    target.removeEventListener("keyup", onKeyUp);
    target.removeEventListener("pointerdown", onPress, true);
  };
}
