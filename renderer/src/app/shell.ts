import type { AvatarShell } from "../../../electron/contract/shell.ts";

declare global {
  interface Window {
    readonly avatarShell?: AvatarShell;
  }
}

/** What the desktop shell offers; null in a browser. */
export const shell: AvatarShell | null = window.avatarShell ?? null;
