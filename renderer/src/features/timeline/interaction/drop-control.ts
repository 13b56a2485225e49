import { snap, snapTargets } from "../../../../../electron/contract/document/snapping.ts";
import { MEDIA_DRAG_TYPE, PROMPT_DRAG_TYPE } from "../../../editor/drag-media.ts";
import { client, faultOf } from "../../../rpc/client.ts";
import { kindOfFile, sourceOfFile } from "../../../rpc/upload.ts";
import { addMediaSegment, addPromptSegment } from "../commands/adding.ts";
import type { Row } from "../geometry/rows.ts";
import { imports } from "../imports.ts";
import type { GestureTools, PointerPlace } from "./gesture.ts";

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
  const { surface, overlay } = host;
  const hide = () => overlay.show({ drop: null, guide: null });

  surface.addEventListener(
    "dragover",
    (event) => {
      if (host.session.editor.store.getState().readOnly || !isOurs(event)) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.dataTransfer !== null) event.dataTransfer.dropEffect = "copy";
      const place = host.placeOf(event);
      const start = startOf(host, place);
      const row = rowFor(host, event, place);
      overlay.show({ guide: start.snapped ? start.frame : null, drop: row === null ? null : { frame: start.frame, top: row.top, height: row.height } });
    },
    { signal },
  );
  surface.addEventListener("dragleave", hide, { signal });
  surface.addEventListener(
    "drop",
    (event) => {
      hide();
      const { dataTransfer } = event;
      if (dataTransfer === null || host.session.editor.store.getState().readOnly || !isOurs(event)) return;
      event.preventDefault();
      event.stopPropagation();
      const place = host.placeOf(event);
      const { frame } = startOf(host, place);
      const trackId = place.row?.track.kind === "audio" ? place.row.track.trackId : null;
      if (dataTransfer.types.includes(MEDIA_DRAG_TYPE)) addKnown(host, dataTransfer.getData(MEDIA_DRAG_TYPE), frame, trackId);
      else if (dataTransfer.types.includes(PROMPT_DRAG_TYPE)) addPromptSegment(host.session, dataTransfer.getData(PROMPT_DRAG_TYPE), frame);
      else void addFiles(host, [...dataTransfer.files], frame, trackId);
    },
    { signal },
  );
  return () => ended.abort();
}

function isOurs(event: DragEvent): boolean {
  const types = event.dataTransfer?.types ?? [];
  return ["Files", MEDIA_DRAG_TYPE, PROMPT_DRAG_TYPE].some((type) => types.includes(type));
}

function startOf({ session }: DropHost, place: PointerPlace): { readonly frame: number; readonly snapped: boolean } {
  const { snapping, scale } = session.view.store.getState();
  const frame = Math.floor(place.frame);
  if (!snapping || place.alt) return { frame, snapped: false };
  const targets = snapTargets(session.editor.store.getState().history.present, new Set(), session.playhead.get());
  const { delta, guide } = snap([0], place.frame, targets, scale.pixelsPerFrame);
  return { frame: Math.max(0, delta), snapped: guide !== null };
}

/** While files are dragged their names are not known yet, but their types are. */
function rowFor(host: DropHost, event: DragEvent, place: PointerPlace): Row | null {
  const items = [...(event.dataTransfer?.items ?? [])];
  const picture = items.some((item) => item.kind === "file" && item.type.startsWith("image/"));
  const rows = host.rows();
  if (event.dataTransfer?.types.includes(PROMPT_DRAG_TYPE) === true) return rows.find((row) => row.track.kind === "prompt") ?? null;
  if (picture || place.row?.track.kind === "portrait") return rows.find((row) => row.track.kind === "portrait") ?? null;
  return place.row?.track.kind === "audio" ? place.row : (rows.find((row) => row.track.kind === "audio") ?? null);
}

function addKnown({ session }: DropHost, mediaId: string, frame: number, trackId: string | null): void {
  const media = session.editor.store.getState().history.present.media.find((one) => one.id === mediaId);
  if (media !== undefined) addMediaSegment(session, media, frame, trackId);
}

/** One after the other, each behind the one before it of the same kind. */
async function addFiles({ session }: DropHost, files: readonly File[], start: number, trackId: string | null): Promise<void> {
  const { projectId } = session.editor.store.getState();
  const next = { picture: start, recording: start };
  imports.setState({ running: files.map((file) => file.name), failed: null });
  for (const file of files) {
    const kind = kindOfFile(file);
    if (kind === null) imports.setState({ failed: { name: file.name, reason: { kind: "wrongKind" } } });
    else {
      try {
        const { media } = await client.media.import({ projectId, source: await sourceOfFile(file) });
        if (addMediaSegment(session, media, next[kind], trackId)) next[kind] = endOfSelection(session) ?? next[kind];
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
