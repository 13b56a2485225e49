import type { MenuItemConstructorOptions } from "electron";
import type { ShellMenu, ShellMenuItem } from "../contract/shell.ts";

/** The native menu for what the page listed. A click tells the page the action's id. */
export function menuTemplate(menus: readonly ShellMenu[], platform: string, onAction: (id: string) => void): MenuItemConstructorOptions[] {
  const entries = menus.map((menu): MenuItemConstructorOptions => {
    const items = menu.items.map((item) => menuItem(item, onAction));
    if (platform === "darwin" && menu.role === "edit") items.push(...MAC_EDITING);
    return { label: menu.label, submenu: items, ...(menu.role === "window" || menu.role === "help" ? { role: menu.role } : {}) };
  });
  // macOS takes the first menu for the program's own.
  return platform === "darwin" && !menus.some(({ role }) => role === "app") ? [{ role: "appMenu" }, ...entries] : entries;
}

/** In text fields macOS edits through the menu only; the page's own actions of these names are about the timeline. */
const MAC_EDITING: readonly MenuItemConstructorOptions[] = (["undo", "redo", "cut", "copy", "paste", "selectAll"] as const).map((role) => ({
  role,
  visible: false,
  acceleratorWorksWhenHidden: true,
}));

function menuItem(item: ShellMenuItem, onAction: (id: string) => void): MenuItemConstructorOptions {
  switch (item.kind) {
    case "separator":
      return { type: "separator" };
    case "submenu":
      return { label: item.label, submenu: item.items.map((one) => menuItem(one, onAction)) };
    case "action":
      return {
        id: item.id,
        label: item.label,
        enabled: item.enabled,
        ...(item.checked === null ? {} : { type: "checkbox", checked: item.checked }),
        // Shown only: the page reads its keys itself, so that they are the same in a browser and can be changed.
        ...(item.accelerator === null ? {} : { accelerator: item.accelerator, registerAccelerator: false }),
        click: () => onAction(item.id),
      };
  }
}
