import { createContext, useContext } from "react";

/** Id of the place in the top bar that menus and lists open in. */
export const MENU_LAYER = "menu-layer";

/** The place in the dialog around, if there is one. */
export const DialogLayer = createContext<HTMLElement | null>(null);

/**
 * Where a menu or list opens. Everything on the page lies in a landmark, so that screen readers can tell where it is: open
 * menus lie in the top bar's. Beside an open dialog nothing can be heard, so what a dialog opens lies in the dialog.
 */
export function useMenuLayer(): HTMLElement | null {
  return useContext(DialogLayer) ?? document.getElementById(MENU_LAYER);
}
