import { Plus } from "lucide-react";
import i18next from "i18next";
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";
import { actionRegistry } from "../../actions/actions.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { useSession } from "../../editor/SessionProvider.tsx";
import { ContextMenu } from "../../ui/Menu.tsx";
import { timelineAction } from "./actions.ts";
import { roomFrom } from "./commands/adding.ts";
import type { Words } from "./drawing/words.ts";
import { rowsHeight, rowsOf, RULER_HEIGHT, type Row } from "./geometry/rows.ts";
import { editInline } from "./inline-editing.ts";
import { takeDrops } from "./interaction/drop-control.ts";
import { PointerControl } from "./interaction/pointer-control.ts";
import { CellTooltip } from "./parts/CellTooltip.tsx";
import { contextEntries } from "./parts/context-menu.tsx";
import { InlineEditors } from "./parts/InlineEditors.tsx";
import { Scrollbar } from "./parts/Scrollbar.tsx";
import { SegmentList } from "./parts/SegmentList.tsx";
import { TimecodeField } from "./parts/TimecodeField.tsx";
import { Toolbar } from "./parts/Toolbar.tsx";
import { TrackHeader } from "./parts/TrackHeader.tsx";
import { ActionButton } from "./parts/use-action.tsx";
import { TimelineStage } from "./stage/timeline-stage.ts";
import styles from "./Timeline.module.css";

/** The timeline of the open project: tools, ruler, tracks. */
export default function Timeline() {
  const { t } = useTranslation();
  const session = useSession();
  useFreshActions(session);
  const rows = useRows(session);
  const [root, setRoot] = useState<HTMLElement | null>(null);
  const [scroller, setScroller] = useState<HTMLElement | null>(null);
  const [surface, setSurface] = useState<HTMLElement | null>(null);
  const stage = useStage(session, root, scroller, surface);
  return (
    <section ref={setRoot} className={styles.timeline} aria-label={t("timeline.label")}>
      <Toolbar session={session} />
      <div ref={setScroller} className={styles.scroller}>
        <div className={styles.headers} style={{ height: RULER_HEIGHT + rowsHeight(rows) }}>
          <div className={styles.corner} style={{ height: RULER_HEIGHT }}>
            <TimecodeField session={session} />
            <ActionButton action={timelineAction("addTrack")} icon={<Plus />} />
          </div>
          {rows.map((row) => (
            <TrackHeader key={row.key} session={session} row={row} />
          ))}
        </div>
        <ContextMenu entries={() => contextEntries(session)}>
          <div ref={setSurface} id="timeline-tracks" className={styles.tracks} style={{ minHeight: RULER_HEIGHT + rowsHeight(rows) }}>
            <Canvas className={styles.ruler} height={RULER_HEIGHT} adopt={stage === null ? null : (canvas) => stage.addRuler(canvas)} stage={stage} row={null} />
            {rows.map((row) => (
              <div key={row.key} className={styles.row} style={{ top: RULER_HEIGHT + row.top, height: row.height }}>
                <Canvas className={styles.canvas} height={row.height} adopt={stage === null ? null : (canvas) => stage.addRow(canvas, row)} stage={stage} row={row} />
                <RowList session={session} row={row} />
              </div>
            ))}
            {stage !== null && <CellTooltip stage={stage} />}
            <InlineEditors session={session} rows={rows} />
          </div>
        </ContextMenu>
      </div>
      <div className={styles.bottom}>
        <Scrollbar session={session} />
      </div>
    </section>
  );
}

function RowList({ session, row }: { readonly session: EditorSession; readonly row: Row }) {
  const { t } = useTranslation();
  const { track } = row;
  const voice = useEditor(session, (state) => (track.kind === "audio" ? state.history.present.audioTracks.find((one) => one.id === track.trackId)?.name : undefined));
  const name = track.kind === "audio" ? (voice ?? "") : t(`timeline.track.${track.kind === "output" ? "video" : track.kind}`);
  return <SegmentList session={session} track={track} name={name} />;
}

interface CanvasProps {
  readonly className: string | undefined;
  readonly height: number;
  readonly adopt: ((canvas: HTMLCanvasElement) => () => void) | null;
  /** Adopted anew when one of these changes. */
  readonly stage: TimelineStage | null;
  readonly row: Row | null;
}

function Canvas({ className, height, adopt, stage, row }: CanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const latestAdopt = useRef(adopt);
  useEffect(() => {
    latestAdopt.current = adopt;
  });
  useEffect(() => {
    return canvas.current === null ? undefined : latestAdopt.current?.(canvas.current);
  }, [stage, row]);
  return <canvas ref={canvas} className={className} style={{ height }} aria-hidden="true" />;
}

/** The rows; the same array while the tracks are the same. */
function useRows(session: EditorSession): readonly Row[] {
  const ids = useEditor(session, (state) => state.history.present.audioTracks.map((track) => track.id).join(" "));
  const heights = useStore(session.tracks.store, (state) => state.heights);
  return useMemo(() => rowsOf(ids.split(" "), heights), [ids, heights]);
}

/** Drawing and pointer, from when the elements are there until they go. */
function useStage(session: EditorSession, root: HTMLElement | null, scroller: HTMLElement | null, surface: HTMLElement | null): TimelineStage | null {
  const [slot] = useState(() => createStore<{ readonly stage: TimelineStage | null }>(() => ({ stage: null })));
  useEffect(() => {
    if (root === null || scroller === null || surface === null) return;
    const stage = new TimelineStage(session, root, scroller, wordsNow);
    stage.overlay.mount(surface);
    const tools = { session, overlay: stage.overlay, rows: stage.rows, highlight: stage.highlight, surface, scroller };
    const pointer = new PointerControl({
      ...tools,
      lane: stage.lane,
      onHover: (hit) => stage.setHover(hit),
      onEditPrompt: (segmentId) => editInline({ kind: "prompt", segmentId }),
      onNewPrompt: (start) => {
        const { present } = session.editor.store.getState().history;
        editInline({ kind: "newPrompt", start, duration: roomFrom(present, present.prompts, start) });
      },
      onRenameMarker: (markerId) => editInline({ kind: "marker", markerId }),
    });
    const stopDrops = takeDrops({ ...tools, placeOf: (event) => pointer.placeOf(event) });
    const observer = new ResizeObserver(() => stage.setWidth(surface.clientWidth));
    observer.observe(surface);
    observer.observe(scroller);
    stage.setWidth(surface.clientWidth);
    const onLanguage = () => stage.refreshStyle();
    i18next.on("languageChanged", onLanguage);
    slot.setState({ stage });
    return () => {
      i18next.off("languageChanged", onLanguage);
      observer.disconnect();
      stopDrops();
      pointer.dispose();
      stage.dispose();
      editInline(null);
      slot.setState({ stage: null });
    };
  }, [session, root, scroller, surface, slot]);
  return useStore(slot, (state) => state.stage);
}

function wordsNow(): Words {
  return {
    dropPortrait: i18next.t("timeline.empty.portrait"),
    writePrompt: i18next.t("timeline.empty.prompt"),
    dropVoice: i18next.t("timeline.empty.voice"),
    nothingRendered: i18next.t("timeline.empty.video"),
    emptyPrompt: i18next.t("timeline.empty.promptText"),
    missingFile: i18next.t("timeline.missing"),
    noWaveform: i18next.t("timeline.noWaveform"),
  };
}

/** Menus and buttons are told when what a command would do has changed; of the document they are told by the studio. */
function useFreshActions(session: EditorSession): void {
  useEffect(() => {
    const stops = [
      session.view.store.subscribe((state, before) => {
        if (state.snapping !== before.snapping || state.ripple !== before.ripple) actionRegistry.invalidate();
      }),
      session.transport.subscribe(() => actionRegistry.invalidate()),
    ];
    return () => stops.forEach((stop) => stop());
  }, [session]);
}
