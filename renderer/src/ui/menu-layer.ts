/** Id of the place in the top bar that menus and lists open in. */
export const MENU_LAYER = "menu-layer";

/** Everything on the page lies in a landmark, so that screen readers can tell where it is: open menus lie in the top bar's. */
export function menuLayer(): HTMLElement | null {
  return document.getElementById(MENU_LAYER);
}
