import { snapTargets } from "../../../../../electron/contract/document/snapping.ts";
import { timecode } from "../../../../../electron/contract/time.ts";
import { MEDIA_DRAG_TYPE, PROMPT_DRAG_TYPE } from "../../../editor/drag-media.ts";
import { client, faultOf } from "../../../rpc/client.ts";
import { materialOfFile, sourceOfFile } from "../../../rpc/upload.ts";
import { addMediaSegment, addPromptSegment } from "../commands/adding.ts";
import { type Row, RULER_HEIGHT } from "../geometry/rows.ts";
import { imports } from "../imports.ts";
import { type Dragged, draggedOf, lengthOf, rowFor } from "./dragged.ts";
import type { GestureTools, PointerPlace } from "./gesture.ts";
import { snapped } from "./segment-gestures.ts";

interface DropHost extends GestureTools {
  readonly surface: HTMLElement;
  readonly placeOf: (event: DragEvent) => PointerPlace;
}

/**
 * Takes files from outside, and media and prompts dragged from the list of assets. They land where they are dropped, on the track that
 * fits their kind: a recording may choose among the voice tracks, a picture always goes to the portrait track.
 */
export function takeDrops(host: DropHost): () => void {
  const ended = new AbortController();
  const { signal } = ended;
  const { surface, overlay, session } = host;
  const hide = () => {
    overlay.setPointer(null);
    overlay.show({ drop: null, guide: null, label: null });
  };
  /** Only its beginning tells what a drag carries; while it lasts, the browser keeps that to itself. */
  let mediaId: string | null = null;
  window.addEventListener("dragstart", (event) => (mediaId = event.dataTransfer?.getData(MEDIA_DRAG_TYPE) ?? null), { signal });
  window.addEventListener("dragend", hide, { signal });

  const landingOf = (event: DragEvent) => {
    const { readOnly, history } = session.editor.store.getState();
    const dragged = event.dataTransfer === null || readOnly ? null : draggedOf(event.dataTransfer, history.present, mediaId);
    if (dragged === null) return null;
    const place = host.placeOf(event);
    return { ...landingAt(host, dragged, place), pointer: { x: place.x, y: place.y + RULER_HEIGHT } };
  };

  surface.addEventListener(
    "dragover",
    (event) => {
      const landing = landingOf(event);
      if (landing === null || event.dataTransfer === null) return;
      event.preventDefault();
      event.stopPropagation();
      const { row, frame, frames, guide, pointer } = landing;
      event.dataTransfer.dropEffect = row === null ? "none" : "copy";
      if (row === null) {
        hide();
        return;
      }
      overlay.setPointer(pointer);
      overlay.show({ guide, label: timecode(frame), drop: { frame, frames, top: row.top, height: row.height } });
    },
    { signal },
  );
  surface.addEventListener("dragleave", hide, { signal });
  surface.addEventListener(
    "drop",
    (event) => {
      hide();
      const landing = landingOf(event);
      const { dataTransfer } = event;
      if (landing === null || dataTransfer === null) return;
      event.preventDefault();
      event.stopPropagation();
      const { row, frame } = landing;
      if (row === null) return;
      const trackId = row.track.kind === "audio" ? row.track.trackId : null;
      if (dataTransfer.types.includes(MEDIA_DRAG_TYPE)) addKnown(host, dataTransfer.getData(MEDIA_DRAG_TYPE), frame, trackId);
      else if (dataTransfer.types.includes(PROMPT_DRAG_TYPE)) addPromptSegment(session, dataTransfer.getData(PROMPT_DRAG_TYPE), frame);
      else void addFiles(host, [...dataTransfer.files], frame, trackId);
    },
    { signal },
  );
  return () => ended.abort();
}

/** Where what is dragged would lie. */
interface Landing {
  /** Null when it fits no track, or the track is locked. */
  readonly row: Row | null;
  readonly frame: number;
  readonly frames: number | null;
  /** Where an edge snaps. */
  readonly guide: number | null;
}

function landingAt({ session, rows }: DropHost, dragged: Dragged, place: PointerPlace): Landing {
  const found = rowFor(dragged, rows(), place.row);
  const row = found === null || session.tracks.store.getState().locked.has(found.key) ? null : found;
  const { present } = session.editor.store.getState().history;
  const pointed = Math.floor(place.frame);
  // A recording is as long as it is; a picture or prompt reaches to the next one, so that only its start can snap.
  const known = dragged.kind === "media" && dragged.media.kind === "audio" ? lengthOf(dragged, present, pointed) : null;
  const targets = snapTargets(present, new Set(), session.playhead.get());
  const { delta, guide } = snapped(session, known === null ? [0] : [0, known], place.frame, targets, place);
  const frame = guide === null ? pointed : Math.max(0, delta);
  return { row, frame, frames: lengthOf(dragged, present, frame), guide: guide === null || delta < 0 ? null : guide.frame };
}

function addKnown({ session }: DropHost, mediaId: string, frame: number, trackId: string | null): void {
  const media = session.editor.store.getState().history.present.media.find((one) => one.id === mediaId);
  if (media !== undefined) addMediaSegment(session, media, frame, trackId);
}

/** One after the other, each behind the one before it of the same kind. */
async function addFiles({ session }: DropHost, files: readonly File[], start: number, trackId: string | null): Promise<void> {
  const { projectId } = session.editor.store.getState();
  const next = { image: start, audio: start };
  imports.setState({ running: files.map((file) => file.name), failed: null });
  for (const file of files) {
    const kind = materialOfFile(file);
    if (kind === null) imports.setState({ failed: { name: file.name, reason: { kind: "wrongKind" } } });
    else {
      try {
        const { media } = await client.media.import({ projectId, source: await sourceOfFile(file) });
        // Captions belong to the whole video: they have no place on a track.
        if (kind === "captions") session.editor.edit({ type: "addMedia", media });
        else if (addMediaSegment(session, media, next[kind], trackId)) next[kind] = endOfSelection(session) ?? next[kind];
      } catch (error) {
        imports.setState({ failed: { name: file.name, reason: { kind: "fault", fault: faultOf(error) } } });
      }
    }
    imports.setState(({ running }) => ({ running: running.slice(1) }));
  }
}

/** End of what was just added. */
function endOfSelection({ editor }: GestureTools["session"]): number | null {
  const { history, selection } = editor.store.getState();
  const { portraits, audioTracks } = history.present;
  const added = [...portraits, ...audioTracks.flatMap((track) => track.segments)].filter((segment) => selection.has(segment.id));
  return added.length === 0 ? null : Math.max(...added.map((segment) => segment.start + segment.duration));
}
