import { Columns2, Maximize, Pause, Play, Repeat, SkipBack, SkipForward, StepBack, StepForward, Volume2, VolumeX } from "lucide-react";
import { useEffect, useRef, type RefObject } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { createStore, type StoreApi } from "zustand/vanilla";
import { framesOfProject } from "../../../../electron/contract/document/timeline.ts";
import { frameOfTimecode, timecode } from "../../../../electron/contract/time.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { followPlayhead } from "../../editor/playhead.ts";
import type { TransportState } from "../../editor/transport.ts";
import { IconButton } from "../../ui/IconButton.tsx";
import { Select } from "../../ui/Select.tsx";
import { Slider } from "../../ui/Slider.tsx";
import type { Player } from "./player.ts";
import styles from "./Player.module.css";
import { playerPreferences, SPEEDS } from "./preferences.ts";
import { toggleFullScreen } from "./full-screen.ts";

const PAUSED: StoreApi<TransportState> = createStore<TransportState>(() => ({ kind: "paused" }));

interface TransportBarProps {
  readonly session: EditorSession;
  readonly player: Player | null;
  readonly fullScreenOf: RefObject<HTMLElement | null>;
}

export function TransportBar({ session, player, fullScreenOf }: TransportBarProps) {
  const { t } = useTranslation();
  const frames = useEditor(session, (state) => framesOfProject(state.document));
  const playing = useStore(player?.transport.state ?? PAUSED, (state) => state.kind === "playing");
  const { loop, sideBySide, speed, volume, muted } = useStore(playerPreferences);
  const transport = player?.transport ?? null;
  const disabled = transport === null || frames === 0;
  const goTo = (frame: number) => {
    transport?.pause();
    session.playhead.set(frame);
  };
  return (
    <div className={styles.bar} role="toolbar" aria-label={t("player.controls")}>
      <div className={styles.left}>
        <Timecode session={session} onSeek={goTo} />
        <span className={styles.total}>{timecode(frames)}</span>
      </div>
      <div className={styles.centre}>
        <IconButton label={t("player.toStart")} icon={<SkipBack />} disabled={disabled} onClick={() => goTo(0)} />
        <IconButton label={t("player.stepBack")} icon={<StepBack />} disabled={disabled} onClick={() => transport?.step(-1)} />
        <IconButton
          label={playing ? t("player.pause") : t("player.play")}
          icon={playing ? <Pause /> : <Play />}
          variant="primary"
          disabled={disabled}
          onClick={() => (playing ? transport?.pause() : transport?.play(1))}
        />
        <IconButton label={t("player.stepForward")} icon={<StepForward />} disabled={disabled} onClick={() => transport?.step(1)} />
        <IconButton label={t("player.toEnd")} icon={<SkipForward />} disabled={disabled} onClick={() => goTo(Math.max(0, frames - 1))} />
      </div>
      <div className={styles.right}>
        <IconButton label={t("player.loop")} icon={<Repeat />} pressed={loop} onClick={() => playerPreferences.setState({ loop: !loop })} />
        <Select
          label={t("player.speed")}
          size="small"
          className={styles.speed}
          value={String(speed)}
          options={SPEEDS.map((one) => ({ value: String(one), label: `${String(one)}×` }))}
          onChange={(value) => playerPreferences.setState({ speed: Number(value) })}
        />
        <IconButton
          label={muted ? t("player.unmute") : t("player.mute")}
          icon={muted || volume === 0 ? <VolumeX /> : <Volume2 />}
          pressed={muted}
          onClick={() => playerPreferences.setState({ muted: !muted })}
        />
        <Slider className={styles.volume} label={t("player.volume")} value={volume} min={0} max={1} step={0.05} onChange={(value) => playerPreferences.setState({ volume: value, muted: false })} />
        <IconButton label={t("player.sideBySide")} icon={<Columns2 />} pressed={sideBySide} onClick={() => playerPreferences.setState({ sideBySide: !sideBySide })} />
        <IconButton label={t("player.fullScreen")} icon={<Maximize />} onClick={() => fullScreenOf.current !== null && toggleFullScreen(fullScreenOf.current)} />
      </div>
    </div>
  );
}

/** Where the playhead is; a typed time moves it. Written without React: it changes with every picture. */
function Timecode({ session, onSeek }: { readonly session: EditorSession; readonly onSeek: (frame: number) => void }) {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const write = () => {
      const field = input.current;
      if (field !== null && globalThis.document.activeElement !== field) field.value = timecode(session.playhead.get());
    };
    return followPlayhead(session.playhead, write);
  }, [session]);
  const leave = () => {
    if (input.current !== null) input.current.value = timecode(session.playhead.get());
  };
  return (
    <div className={styles.timecodeBox}>
      <input
        ref={input}
        className={styles.timecode}
        aria-label={t("player.position")}
        defaultValue={timecode(0)}
        onFocus={(event) => event.currentTarget.select()}
        onBlur={leave}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return;
          if (event.key === "Escape") event.currentTarget.blur();
          if (event.key !== "Enter") return;
          const frame = frameOfTimecode(event.currentTarget.value);
          event.currentTarget.blur();
          if (frame !== null) onSeek(frame);
        }}
      />
    </div>
  );
}
