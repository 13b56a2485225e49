import { Menu, type NativeImage, Tray } from "electron";
import type { ShellWords } from "../contract/shell.ts";

type TrayWords = Pick<ShellWords, "open" | "quit">;

/** The icon beside the clock, there while the window is hidden. */
export interface TrayIcon {
  readonly show: (words: TrayWords) => void;
  /** For an icon that is there: its menu in another language. */
  readonly setWords: (words: TrayWords) => void;
  readonly hide: () => void;
}

export function createTrayIcon(icon: NativeImage, onOpen: () => void, onQuit: () => void): TrayIcon {
  let tray: Tray | null = null;
  const setWords = (words: TrayWords): void => {
    const items = [
      { label: words.open, click: onOpen },
      { label: words.quit, click: onQuit },
    ];
    tray?.setContextMenu(Menu.buildFromTemplate(items));
  };
  return {
    show: (words) => {
      if (tray === null) {
        tray = new Tray(icon.resize({ width: 22 }));
        tray.setToolTip("Avatar Studio");
        tray.on("click", onOpen);
      }
      setWords(words);
    },
    setWords,
    hide: () => {
      tray?.destroy();
      tray = null;
    },
  };
}
