import { startTransition, useEffect, useId, useRef, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import type { Cell } from "../../../../../electron/contract/document/output-lane.ts";
import { segmentInForce } from "../../../../../electron/contract/document/timeline.ts";
import { timecode } from "../../../../../electron/contract/time.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import type { EditorState } from "../../../editor/editor-store.ts";
import { reveal } from "../../../editor/scale.ts";
import { committedOutput } from "../../../editor/shown-output.ts";
import { useFormats } from "../../../i18n/index.ts";
import { seek } from "../commands/navigation.ts";
import { segmentsOf, type AnySegment } from "../geometry/hit-test.ts";
import type { TrackRef } from "../geometry/rows.ts";

/** Options that are in the page at once. A list says how long it is and where each of them stands. */
const AROUND = 12;

interface Item {
  readonly id: string;
  readonly start: number;
  readonly frames: number;
  readonly name: string;
  readonly selected: boolean;
}

/**
 * The segments of one track for keyboard and screen readers: a list of its own that is not drawn, since the canvas shows the
 * same. Up and Down choose, with Shift several; all commands then act on what is chosen.
 */
export function SegmentList({ session, track, name }: { readonly session: EditorSession; readonly track: TrackRef; readonly name: string }) {
  const { t } = useTranslation();
  const id = useId();
  const describeCell = useCellText();
  const { state, live, rest } = useRestedState(session);
  const { selection, focus } = state;
  const { present } = state.history;
  const cells = track.kind === "output" ? committedOutput(state).cells : NO_CELLS;
  const [activeId, setActiveId] = useState<string | null>(null);

  const segments = track.kind === "output" ? NO_SEGMENTS : segmentsOf(present, track);
  const count = track.kind === "output" ? cells.length : segments.length;
  const active = Math.max(0, indexOfActive(session, track, segments, cells, activeId));
  const first = Math.max(0, Math.min(active - AROUND, count - 2 * AROUND - 1));

  const itemAt = (index: number): Item | null => {
    const cell = cells[index];
    if (cell !== undefined) {
      const selected = focus?.kind === "clip" && focus.takeId === cell.takeId && focus.clip === cell.clip;
      return { id: cellId(cell), start: cell.startFrame, frames: cell.frames, name: describeCell(cell), selected };
    }
    const segment = segments[index];
    if (segment === undefined) return null;
    const text = t("timeline.list.segment", { name: nameOf(segment, present), start: timecode(segment.start), length: timecode(segment.duration) });
    return { id: segment.id, start: segment.start, frames: segment.duration, name: text, selected: selection.has(segment.id) };
  };

  const choose = (index: number, extend: boolean) => {
    const item = itemAt(Math.min(count - 1, Math.max(0, index)));
    if (item === null) return;
    setActiveId(item.id);
    const cell = cells.find((one) => cellId(one) === item.id);
    if (cell !== undefined) session.editor.focusOn({ kind: "clip", takeId: cell.takeId, clip: cell.clip });
    else session.editor.select(extend ? [...selection, item.id] : [item.id]);
    session.view.setScale((scale, view) => reveal(scale, item.start, view.width, view.length));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || count === 0) return;
    const target = targetOf(event.key, active, count, selection.size === 0 && focus === null);
    if (target !== null) choose(target, event.shiftKey);
    else if (event.key === "Enter" && cells[active] !== undefined) seek(session, cells[active].startFrame);
    else return;
    event.preventDefault();
  };

  const shown = Array.from({ length: Math.min(count - first, 2 * AROUND + 1) }, (_, offset) => first + offset);
  const activeItem = itemAt(active);
  const label = t("timeline.list.track", { name, count });
  // A list needs something to choose from.
  if (activeItem === null) return <p className="visually-hidden">{label}</p>;
  return (
    <div
      className="visually-hidden"
      role="listbox"
      tabIndex={0}
      aria-label={label}
      aria-multiselectable={track.kind !== "output"}
      aria-activedescendant={`${id}-${activeItem.id}`}
      data-track={track.kind === "audio" ? track.trackId : track.kind}
      onFocus={live}
      onBlur={rest}
      onKeyDown={onKeyDown}
    >
      {shown.map((index) => {
        const item = itemAt(index);
        return item === null ? null : (
          <div key={item.id} id={`${id}-${item.id}`} role="option" aria-selected={item.selected} aria-setsize={count} aria-posinset={index + 1}>
            {item.name}
          </div>
        );
      })}
    </div>
  );
}

/** How long the timeline rests before lists without focus follow it: while something is dragged, nobody reads them. */
const REST_MILLISECONDS = 250;

/** The editor's state: at once while the list has the focus, else once nothing has changed for a moment. */
function useRestedState(session: EditorSession): { readonly state: EditorState; readonly live: () => void; readonly rest: () => void } {
  const { store } = session.editor;
  const [state, setState] = useState(store.getState);
  const focused = useRef(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const update = () => setState(store.getState());
    const stop = store.subscribe(() => {
      clearTimeout(timer);
      if (focused.current) update();
      else timer = setTimeout(() => startTransition(update), REST_MILLISECONDS);
    });
    update();
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [store]);
  return {
    state,
    live: () => {
      focused.current = true;
      setState(store.getState());
    },
    rest: () => (focused.current = false),
  };
}

const NO_CELLS: readonly Cell[] = [];
const NO_SEGMENTS: readonly AnySegment[] = [];
const cellId = (cell: Cell): string => `${cell.takeId}-${String(cell.clip)}`;

/** The chosen one, as long as it is there; else what lies at the playhead. */
function indexOfActive(session: EditorSession, track: TrackRef, segments: readonly AnySegment[], cells: readonly Cell[], activeId: string | null): number {
  const frame = session.playhead.get();
  if (track.kind === "output") {
    const chosen = cells.findIndex((cell) => cellId(cell) === activeId);
    return chosen >= 0 ? chosen : cells.findIndex((cell) => frame < cell.startFrame + cell.frames);
  }
  const chosen = segments.findIndex((segment) => segment.id === activeId);
  if (chosen >= 0) return chosen;
  const there = segmentInForce(segments, frame);
  return there === null ? -1 : segments.indexOf(there);
}

/** The first press chooses where one is, the next ones move. */
function targetOf(key: string, active: number, count: number, nothingChosen: boolean): number | null {
  switch (key) {
    case "ArrowDown":
      return nothingChosen ? active : active + 1;
    case "ArrowUp":
      return nothingChosen ? active : active - 1;
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return null;
  }
}

function nameOf(segment: AnySegment, document: EditorState["document"]): string {
  if ("text" in segment && typeof segment.text === "string") return segment.text;
  return document.media.find((media) => media.id === segment.mediaId)?.name ?? "";
}

/** A clip in words: number, time, state, and why it is out of date. */
export function useCellText(): (cell: Cell) => string {
  const { t } = useTranslation();
  const { percent } = useFormats();
  return (cell) => {
    const { state } = cell;
    const words = t(`timeline.state.${state.kind}`, { share: state.kind === "rendering" ? percent(state.share) : "" });
    const line = t("timeline.list.clip", { number: cell.clip + 1, start: timecode(cell.startFrame), state: words });
    if (state.kind === "stale") return `${line}. ${t("timeline.because")} ${state.reasons.map((reason) => t(`timeline.reason.${reason.kind}`, { number: reason.kind === "earlierClip" ? reason.clip + 1 : 0 })).join(", ")}`;
    return state.kind === "failed" ? `${line}. ${state.fault.what}` : line;
  };
}
