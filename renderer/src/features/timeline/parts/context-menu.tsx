import i18next from "i18next";
import type { EditorSession } from "../../../editor/editor-session.ts";
import type { MenuEntry } from "../../../ui/menu-entries.ts";
import { timelineAction } from "../actions.ts";
import { focusedCell } from "../commands/clips.ts";
import { selectedSegments } from "../commands/selected.ts";
import { trackEntries } from "./TrackHeader.tsx";
import { entryOf } from "./use-action.tsx";

type Name = Parameters<typeof timelineAction>[0];

const entries = (...names: readonly Name[]): readonly MenuEntry[] => names.map((name) => entryOf(timelineAction(name)));
const line = (id: string): MenuEntry => ({ kind: "separator", id });

/** What the right mouse button offers: it acts on what was pressed, which is selected by then. */
export function contextEntries(session: EditorSession): readonly MenuEntry[] {
  const state = session.editor.store.getState();
  const { focus } = state;
  const segments = selectedSegments(session);
  if (segments.length > 0) {
    return [
      ...(segments.length === 1 && segments[0]?.kind === "prompt" ? entries("editPrompt") : []),
      ...entries("split", "duplicate"),
      line("clipboard"),
      ...entries("cut", "copy", "paste"),
      line("delete"),
      ...entries("delete", "rippleDelete"),
      ...soundEntries(session),
      line("view"),
      ...entries("rangeSelection", "fitSelection"),
    ];
  }
  if (focus?.kind === "marker") return [...entries("renameMarker", "delete"), line("marker"), ...entries("nextMarker", "previousMarker")];
  if (focus?.kind === "clip" && focusedCell(session) !== null) return entries("renderClip", "playClip", "exportStill");
  const track = focus?.kind === "track" ? state.history.present.audioTracks.find((one) => one.id === focus.trackId) : undefined;
  return [
    ...entries("paste", "addPrompt", "addMarker"),
    ...(track === undefined ? entries("addTrack") : [line("track"), ...trackEntries(session, track)]),
    line("range"),
    ...entries("rangeStart", "rangeEnd", "clearRange"),
    line("view"),
    ...entries("selectAll", "fit"),
  ];
}

/** For selected sound. */
function soundEntries(session: EditorSession): readonly MenuEntry[] {
  const sounds = selectedSegments(session).flatMap((found) => (found.kind === "audio" ? [found.segment] : []));
  if (sounds.length === 0) return [];
  const { readOnly } = session.editor.store.getState();
  const faded = sounds.filter((segment) => segment.fadeIn > 0 || segment.fadeOut > 0);
  return [
    line("sound"),
    {
      kind: "item",
      id: "resetVolume",
      label: i18next.t("timeline.menu.resetVolume"),
      disabled: readOnly || sounds.every((segment) => segment.gainDecibels === 0),
      onSelect: () => session.editor.edit({ type: "setSegmentGain", ids: sounds.map(({ id }) => id), gainDecibels: 0 }),
    },
    {
      kind: "item",
      id: "noFades",
      label: i18next.t("timeline.menu.noFades"),
      disabled: readOnly || faded.length === 0,
      onSelect: () => session.editor.edit(faded.flatMap(({ id }) => [{ type: "setFade", id, edge: "in", frames: 0 } as const, { type: "setFade", id, edge: "out", frames: 0 } as const])),
    },
  ];
}
