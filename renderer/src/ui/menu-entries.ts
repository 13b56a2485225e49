import type { ReactNode } from "react";

/** What stands in a menu. The same entries make drop-down menus, context menus and the menu bar. */
export type MenuEntry =
  | {
      readonly kind: "item";
      readonly id: string;
      readonly label: string;
      readonly icon?: ReactNode;
      /** Keys as shown to the user. */
      readonly shortcut?: string | undefined;
      readonly disabled?: boolean;
      /** For switches. */
      readonly checked?: boolean | undefined;
      readonly danger?: boolean;
      readonly onSelect: () => void;
    }
  | { readonly kind: "separator"; readonly id: string }
  | { readonly kind: "heading"; readonly id: string; readonly label: string }
  | { readonly kind: "submenu"; readonly id: string; readonly label: string; readonly entries: readonly MenuEntry[] };
