import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";
import { clipAddress, clipInitAddress, mixAddress } from "../../../../electron/contract/addresses.ts";
import { useSession } from "../../editor/SessionProvider.tsx";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { shownOutput } from "../../editor/shown-output.ts";
import { registerTransport } from "../../editor/transport.ts";
import { once } from "../../app/once-event.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { CLIP_TYPE, createClipBuffer, type ClipAddresses } from "./clip-buffer.ts";
import { createPlayer, type Player as PlayerEngine } from "./player.ts";
import styles from "./Player.module.css";
import { playerPreferences } from "./preferences.ts";
import { programmeOf } from "./programme.ts";
import { StageView } from "./StageView.tsx";
import { TransportBar } from "./TransportBar.tsx";

const canPlay = typeof MediaSource !== "undefined" && MediaSource.isTypeSupported(CLIP_TYPE);

/** The preview: the picture as large as it fits, and the transport below it. */
export default function Player() {
  const { t } = useTranslation();
  if (!canPlay) return <EmptyState title={t("player.cannotPlay")} text={t("player.cannotPlayHint")} />;
  return <PlayerParts />;
}

function PlayerParts() {
  const session = useSession();
  const frame = useRef<HTMLDivElement>(null);
  const [video, setVideo] = useState<HTMLVideoElement | null>(null);
  const player = usePlayer(session, video);
  useProgramme(session, player);
  return (
    <div ref={frame} className={styles.player} data-player="">
      <StageView session={session} stage={player?.stage ?? null} videoRef={setVideo} />
      <TransportBar session={session} player={player} fullScreenOf={frame} />
    </div>
  );
}

/** The engine lives as long as its video element. */
function usePlayer(session: EditorSession, video: HTMLVideoElement | null): PlayerEngine | null {
  const slot = useMemo(() => createStore<{ readonly player: PlayerEngine | null }>(() => ({ player: null })), []);
  useEffect(() => {
    if (video === null) return;
    const sound = new Audio();
    sound.preload = "auto";
    let player: PlayerEngine | null = null;
    const buffer = createClipBuffer(
      video,
      () => player?.bufferChanged(),
      // The clip stays a still picture; it is asked for again with the next change of the timeline.
      (error) => console.warn(error),
    );
    player = createPlayer({
      video,
      sound,
      buffer,
      playhead: session.playhead,
      preferences: playerPreferences,
      range: () => session.editor.store.getState().document.range,
      prepareSound: async () => {
        const revision = await session.editor.saved();
        const address = mixAddress(session.editor.store.getState().projectId, revision);
        if (sound.getAttribute("src") === address) return;
        sound.src = address;
        await once(sound, "loadedmetadata");
      },
    });
    const unregister = registerTransport(session.transport, player.transport);
    slot.setState({ player });
    return () => {
      unregister();
      player.dispose();
      slot.setState({ player: null });
    };
  }, [session, video, slot]);
  return useStore(slot, (state) => state.player);
}

/** Tells the engine what there is to play, whenever the document or the clips on disk change. */
function useProgramme(session: EditorSession, player: PlayerEngine | null): void {
  const document = useEditor(session, (state) => state.document);
  const outputs = useEditor(session, (state) => state.outputs);
  const jobs = useEditor(session, (state) => state.jobs);
  const jobDocuments = useEditor(session, (state) => state.jobDocuments);
  const quality = useEditor(session, (state) => state.quality);
  useEffect(() => {
    if (player === null) return;
    const { projectId } = session.editor.store.getState();
    const firstHash = new Map(outputs.filter((output) => output.quality === quality).map((output) => [output.takeId, output.clips[0]?.contentHash ?? ""]));
    const addresses: ClipAddresses = {
      init: (clip) => clipInitAddress(projectId, quality, clip.takeId, firstHash.get(clip.takeId) ?? ""),
      clip: (clip) => clipAddress(projectId, quality, clip.takeId, clip.clip, clip.contentHash),
    };
    player.setProgramme(programmeOf(document, shownOutput({ document, outputs, jobs, jobDocuments, quality }).cells), addresses);
  }, [session, player, document, outputs, jobs, jobDocuments, quality]);
}
