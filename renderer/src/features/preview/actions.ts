import type { ActionDefinition } from "../../actions/definition.ts";
import { currentSession } from "../../editor/editor-session.ts";
import { playerElement, toggleFullScreen } from "./full-screen.ts";
import { playerPreferences } from "./preferences.ts";

const inStudio = (): boolean => currentSession.getState().session !== null;

export const actions: readonly ActionDefinition[] = [
  {
    id: "player.loop",
    labelKey: "player.loop",
    category: "playback",
    startsGroup: true,
    defaultShortcuts: ["Mod+L"],
    enabled: inStudio,
    checked: () => playerPreferences.getState().loop,
    run: () => playerPreferences.setState(({ loop }) => ({ loop: !loop })),
  },
  {
    id: "player.mute",
    labelKey: "player.mute",
    category: "playback",
    defaultShortcuts: ["Mod+Shift+M"],
    enabled: inStudio,
    checked: () => playerPreferences.getState().muted,
    run: () => playerPreferences.setState(({ muted }) => ({ muted: !muted })),
  },
  {
    id: "player.sideBySide",
    labelKey: "player.sideBySide",
    category: "view",
    defaultShortcuts: ["Shift+P"],
    enabled: inStudio,
    checked: () => playerPreferences.getState().sideBySide,
    run: () => playerPreferences.setState(({ sideBySide }) => ({ sideBySide: !sideBySide })),
  },
  {
    id: "player.fullScreen",
    labelKey: "player.fullScreen",
    category: "view",
    defaultShortcuts: ["F"],
    enabled: inStudio,
    run: () => {
      const element = playerElement();
      if (element !== null) toggleFullScreen(element);
    },
  },
];
