import { Check, ChevronRight } from "lucide-react";
import { ContextMenu as ContextPrimitive, DropdownMenu as DropdownPrimitive, Menubar as BarPrimitive } from "radix-ui";
import { useState, type ReactElement, type ReactNode } from "react";
import { assertNever } from "../../../electron/contract/assert-never.ts";
import { classes } from "./classes.ts";
import styles from "./Menu.module.css";
import type { MenuEntry } from "./menu-entries.ts";
import { useMenuLayer } from "./menu-layer.ts";

/** The three kinds of menu have the same parts with the same properties. */
type Parts = Pick<typeof DropdownPrimitive, "Item" | "CheckboxItem" | "ItemIndicator" | "Separator" | "Label" | "Sub" | "SubTrigger" | "SubContent" | "Portal">;

function Entry({ parts: Part, entry }: { readonly parts: Parts; readonly entry: MenuEntry }) {
  const layer = useMenuLayer();
  switch (entry.kind) {
    case "separator":
      return <Part.Separator className={styles.separator} />;
    case "heading":
      return <Part.Label className={styles.heading}>{entry.label}</Part.Label>;
    case "submenu":
      return (
        <Part.Sub>
          <Part.SubTrigger className={styles.item}>
            <span className={styles.mark} />
            <span className={styles.label}>{entry.label}</span>
            <ChevronRight size={14} aria-hidden="true" />
          </Part.SubTrigger>
          <Part.Portal container={layer}>
            <Part.SubContent className={styles.menu} sideOffset={2} collisionPadding={8}>
              <Entries parts={Part} entries={entry.entries} />
            </Part.SubContent>
          </Part.Portal>
        </Part.Sub>
      );
    case "item": {
      const inner = (
        <>
          <span className={styles.label}>{entry.label}</span>
          {entry.shortcut !== undefined && <kbd className={styles.keys}>{entry.shortcut}</kbd>}
        </>
      );
      const common = { className: classes(styles.item, entry.danger === true && styles.danger), disabled: entry.disabled === true, onSelect: entry.onSelect };
      if (entry.checked === undefined) {
        return (
          <Part.Item {...common}>
            <span className={styles.mark}>{entry.icon}</span>
            {inner}
          </Part.Item>
        );
      }
      return (
        <Part.CheckboxItem {...common} checked={entry.checked}>
          <span className={styles.mark}>
            <Part.ItemIndicator>
              <Check size={14} aria-hidden="true" />
            </Part.ItemIndicator>
          </span>
          {inner}
        </Part.CheckboxItem>
      );
    }
    default:
      return assertNever(entry);
  }
}

function Entries({ parts, entries }: { readonly parts: Parts; readonly entries: readonly MenuEntry[] }) {
  return entries.map((entry) => <Entry key={entry.id} parts={parts} entry={entry} />);
}

export interface MenuProps {
  /** Made when the menu opens, so that what is disabled is up to date. */
  readonly entries: () => readonly MenuEntry[];
  /** The button that opens it. */
  readonly children: ReactElement;
  readonly align?: "start" | "center" | "end";
}

export function Menu({ entries, children, align = "start" }: MenuProps) {
  const layer = useMenuLayer();
  return (
    <DropdownPrimitive.Root modal={false}>
      <DropdownPrimitive.Trigger asChild>{children}</DropdownPrimitive.Trigger>
      <DropdownPrimitive.Portal container={layer}>
        <DropdownPrimitive.Content className={styles.menu} align={align} sideOffset={4} collisionPadding={8}>
          <WhenOpen entries={entries} parts={DropdownPrimitive} />
        </DropdownPrimitive.Content>
      </DropdownPrimitive.Portal>
    </DropdownPrimitive.Root>
  );
}

/** On the right mouse button, the menu key and Shift+F10. */
export function ContextMenu({ entries, children }: { readonly entries: () => readonly MenuEntry[]; readonly children: ReactElement }) {
  const layer = useMenuLayer();
  return (
    <ContextPrimitive.Root modal={false}>
      <ContextPrimitive.Trigger asChild>{children}</ContextPrimitive.Trigger>
      <ContextPrimitive.Portal container={layer}>
        <ContextPrimitive.Content className={styles.menu} collisionPadding={8}>
          <WhenOpen entries={entries} parts={ContextPrimitive} />
        </ContextPrimitive.Content>
      </ContextPrimitive.Portal>
    </ContextPrimitive.Root>
  );
}

export interface MenubarProps {
  readonly label: string;
  readonly menus: readonly { readonly id: string; readonly label: string; readonly entries: () => readonly MenuEntry[] }[];
}

export function Menubar({ label, menus }: MenubarProps): ReactNode {
  const layer = useMenuLayer();
  return (
    <BarPrimitive.Root className={styles.bar} aria-label={label}>
      {menus.map((menu) => (
        <BarPrimitive.Menu key={menu.id}>
          <BarPrimitive.Trigger className={styles.barItem}>{menu.label}</BarPrimitive.Trigger>
          <BarPrimitive.Portal container={layer}>
            <BarPrimitive.Content className={styles.menu} align="start" sideOffset={4} collisionPadding={8}>
              <WhenOpen entries={menu.entries} parts={BarPrimitive} />
            </BarPrimitive.Content>
          </BarPrimitive.Portal>
        </BarPrimitive.Menu>
      ))}
    </BarPrimitive.Root>
  );
}

/** Mounted only while the menu is open: the entries are asked for at that moment. */
function WhenOpen({ entries, parts }: { readonly entries: () => readonly MenuEntry[]; readonly parts: Parts }) {
  const [shown] = useState(entries);
  return <Entries parts={parts} entries={shown} />;
}
