import { Ellipsis, Film, Lock, LockOpen, MessageSquareText, Mic, UserRound, Volume2, VolumeX } from "lucide-react";
import i18next from "i18next";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import type { AudioTrack } from "../../../../../electron/contract/document/project-document.schema.ts";
import { LIMITS } from "../../../../../electron/contract/document/limits.ts";
import { useEditor, type EditorSession } from "../../../editor/editor-session.ts";
import { trackKey } from "../../../editor/track-states.ts";
import { classes } from "../../../ui/classes.ts";
import { IconButton } from "../../../ui/IconButton.tsx";
import { Menu } from "../../../ui/Menu.tsx";
import type { MenuEntry } from "../../../ui/menu-entries.ts";
import { Slider } from "../../../ui/Slider.tsx";
import { timelineAction } from "../actions.ts";
import { lockTrack } from "../commands/tracks.ts";
import type { Row } from "../geometry/rows.ts";
import { editInline, inlineEditing } from "../inline-editing.ts";
import { decibelText } from "../interaction/segment-gestures.ts";
import { HeightHandle } from "./HeightHandle.tsx";
import { NameField } from "./NameField.tsx";
import styles from "./TrackHeader.module.css";
import { entryOf } from "./use-action.tsx";

const ICONS = { portrait: UserRound, prompt: MessageSquareText, audio: Mic, output: Film } as const;

/** Name and switches of a track, left of it. */
export function TrackHeader({ session, row }: { readonly session: EditorSession; readonly row: Row }) {
  const { t } = useTranslation();
  const { track } = row;
  const Icon = ICONS[track.kind];
  const voice = useEditor(session, (state) => (track.kind === "audio" ? state.history.present.audioTracks.find((one) => one.id === track.trackId)?.name : undefined));
  const name = track.kind === "audio" ? (voice ?? "") : t(`timeline.track.${track.kind === "output" ? "video" : track.kind}`);
  return (
    <div className={styles.header} style={{ height: row.height }}>
      <Icon className={styles.icon} aria-hidden="true" />
      {track.kind === "audio" ? (
        <VoiceHeader session={session} trackId={track.trackId} row={row} />
      ) : (
        <>
          <span className={styles.name}>{name}</span>
          {track.kind !== "output" && <LockButton session={session} row={row} name={name} />}
        </>
      )}
      <HeightHandle session={session} row={row} name={name} />
    </div>
  );
}

/** No edit changes what lies on a locked track, and the pointer does not grasp it. */
function LockButton({ session, row, name }: { readonly session: EditorSession; readonly row: Row; readonly name: string }) {
  const { t } = useTranslation();
  const locked = useStore(session.tracks.store, (state) => state.locked.has(row.key));
  const readOnly = useEditor(session, (state) => state.readOnly);
  return <IconButton label={t("timeline.lock", { name })} icon={locked ? <Lock /> : <LockOpen />} size="small" className={styles.lock} pressed={locked} disabled={readOnly} onClick={() => lockTrack(session, row.track, !locked)} />;
}

function VoiceHeader({ session, trackId, row }: { readonly session: EditorSession; readonly trackId: string; readonly row: Row }) {
  const { t } = useTranslation();
  const track = useEditor(session, (state) => state.history.present.audioTracks.find((one) => one.id === trackId));
  const readOnly = useEditor(session, (state) => state.readOnly);
  const focused = useEditor(session, (state) => state.focus?.kind === "track" && state.focus.trackId === trackId);
  const renaming = useStore(inlineEditing, ({ edit }) => edit?.kind === "track" && edit.trackId === trackId);
  if (track === undefined) return null;
  const { name, muted } = track;
  return (
    <div className={classes(styles.voice, focused && styles.focused)}>
      <div className={styles.firstLine}>
        {renaming ? (
          <NameField label={t("timeline.renameTrack")} value={name} maxLength={LIMITS.trackNameCharacters} onCommit={(next) => next !== "" && session.editor.edit({ type: "renameAudioTrack", trackId, name: next })} onClose={() => editInline(null)} />
        ) : (
          <span className={styles.name} title={name} onDoubleClick={() => !readOnly && editInline({ kind: "track", trackId })} onClick={() => session.editor.focusOn({ kind: "track", trackId })}>
            {name}
          </span>
        )}
        <LockButton session={session} row={row} name={name} />
        <IconButton
          label={t("timeline.mute", { name })}
          icon={muted ? <VolumeX /> : <Volume2 />}
          size="small"
          pressed={muted}
          disabled={readOnly}
          onClick={() => session.editor.edit({ type: "setTrackMuted", trackId, muted: !muted })}
        />
        <Menu entries={() => trackEntries(session, track)} align="end">
          <IconButton label={t("timeline.trackMenu", { name })} icon={<Ellipsis />} size="small" />
        </Menu>
      </div>
      <TrackVolume session={session} track={track} readOnly={readOnly} />
    </div>
  );
}

/** What can be done with a whole voice track. */
export function trackEntries(session: EditorSession, track: AudioTrack): readonly MenuEntry[] {
  const { readOnly, history } = session.editor.store.getState();
  const { id, muted } = track;
  const locked = session.tracks.store.getState().locked.has(trackKey({ kind: "audio", trackId: id }));
  return [
    { kind: "item", id: "rename", label: i18next.t("timeline.rename"), disabled: readOnly, onSelect: () => editInline({ kind: "track", trackId: id }) },
    { kind: "item", id: "mute", label: i18next.t("timeline.action.mute"), checked: muted, disabled: readOnly, onSelect: () => session.editor.edit({ type: "setTrackMuted", trackId: id, muted: !muted }) },
    { kind: "item", id: "lock", label: i18next.t("timeline.action.lock"), checked: locked, disabled: readOnly, onSelect: () => lockTrack(session, { kind: "audio", trackId: id }, !locked) },
    { kind: "item", id: "volume", label: i18next.t("timeline.menu.resetVolume"), disabled: readOnly || track.gainDecibels === 0, onSelect: () => session.editor.edit({ type: "setTrackGain", trackId: id, gainDecibels: 0 }) },
    { kind: "separator", id: "line" },
    entryOf(timelineAction("addTrack")),
    { kind: "item", id: "remove", label: i18next.t("timeline.removeTrack"), danger: true, disabled: readOnly || locked || history.present.audioTracks.length < 2, onSelect: () => session.editor.edit({ type: "removeAudioTrack", trackId: id }) },
  ];
}

/** The slider's range; the menu and the inspector reach the rest. */
const SLIDER = { min: -36, max: 12, step: 0.5 };

function TrackVolume({ session, track, readOnly }: { readonly session: EditorSession; readonly track: AudioTrack; readonly readOnly: boolean }) {
  const { t } = useTranslation();
  const [dragged, setDragged] = useState<number | null>(null);
  const shown = dragged ?? track.gainDecibels;
  const commandFor = (value: number) => ({ type: "setTrackGain", trackId: track.id, gainDecibels: value === SLIDER.min ? LIMITS.gainDecibels.min : value }) as const;
  return (
    <div className={styles.volume}>
      <Slider
        className={styles.slider}
        label={t("timeline.trackVolume", { name: track.name })}
        value={Math.max(SLIDER.min, shown)}
        {...SLIDER}
        disabled={readOnly}
        valueText={decibelText(shown)}
        onChange={(value) => {
          setDragged(value);
          session.editor.preview(commandFor(value));
        }}
        onCommit={(value) => {
          setDragged(null);
          session.editor.edit(commandFor(value));
        }}
      />
      <span className={styles.decibels}>{decibelText(shown)}</span>
    </div>
  );
}
