import { expect, test } from "vitest";
import type { ShellMenu } from "../contract/shell.ts";
import { menuTemplate } from "./menu.ts";

const action = { kind: "action", id: "edit.split", label: "Split", accelerator: "S", enabled: false, checked: null } as const;
const menus: readonly ShellMenu[] = [{ label: "Edit", role: "edit", items: [action, { kind: "separator" }, { kind: "submenu", label: "More", items: [{ ...action, id: "snap", accelerator: null, checked: true }] }] }];

test("labels, states and order are the page's; a key is shown, never taken from the page", () => {
  const [edit] = menuTemplate(menus, "linux", () => undefined);
  expect(edit).toMatchObject({
    label: "Edit",
    submenu: [
      { id: "edit.split", label: "Split", enabled: false, accelerator: "S", registerAccelerator: false },
      { type: "separator" },
      { label: "More", submenu: [{ id: "snap", type: "checkbox", checked: true }] },
    ],
  });
});

test("a click says which action", () => {
  const heard: string[] = [];
  const [edit] = menuTemplate(menus, "linux", (id) => heard.push(id));
  const [item] = edit?.submenu as { click: () => void }[];
  item?.click();
  expect(heard).toEqual(["edit.split"]);
});

test("macOS gets the program's own menu, and editing keys for text fields", () => {
  const template = menuTemplate(menus, "darwin", () => undefined);
  expect(template[0]).toEqual({ role: "appMenu" });
  expect((template[1]?.submenu as { role?: string }[]).map(({ role }) => role).filter(Boolean)).toEqual(["undo", "redo", "cut", "copy", "paste", "selectAll"]);
});
