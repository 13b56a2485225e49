import { createStore, type StoreApi } from "zustand/vanilla";
import type { MediaFile, ProjectDocument } from "../../../../../electron/contract/document/project-document.schema.ts";
import type { OutputLane } from "../../../../../electron/contract/document/output-lane.ts";
import { portraitChanges } from "../../../../../electron/contract/document/takes.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import type { EditorState } from "../../../editor/editor-store.ts";
import { fitSpan, xOfFrame } from "../../../editor/scale.ts";
import { committedOutput } from "../../../editor/shown-output.ts";
import { trackKey } from "../../../editor/track-states.ts";
import { drawAudio } from "../drawing/draw-audio.ts";
import { drawLock } from "../drawing/draw-segments.ts";
import { drawOutput } from "../drawing/draw-output.ts";
import { drawPortraits } from "../drawing/draw-portraits.ts";
import { drawPrompts } from "../drawing/draw-prompts.ts";
import { drawRuler } from "../drawing/draw-ruler.ts";
import { TextFitter } from "../drawing/fitted-text.ts";
import { Painter, type Sight } from "../drawing/painter.ts";
import { type Palette, readPalette, watchPalette } from "../drawing/palette.ts";
import { labelFont, type Scene } from "../drawing/scene.ts";
import type { Words } from "../drawing/words.ts";
import { type Hit, segmentsOf } from "../geometry/hit-test.ts";
import { type ChosenHeights, type Row, RULER_HEIGHT, rowsOf } from "../geometry/rows.ts";
import { PeaksCache } from "../media/peaks-cache.ts";
import { PictureCache } from "../media/picture-cache.ts";
import { latest } from "./latest.ts";
import { Overlay } from "./overlay.ts";

const RULER = "ruler";
const OUTPUT = "output";
/** What a new timeline shows before it has anything: ten seconds. */
const LEAST_FIT_FRAMES = 250;
/** While playing, the view turns the page when the playhead comes this near to the right edge. */
const PAGE_AT = 0.96;

/**
 * The drawn part of the timeline: canvases, overlay and caches of one open project, kept up to date with the stores. React
 * places the canvases and everything made of elements; it is not involved when something moves.
 */
export class TimelineStage {
  readonly session: EditorSession;
  readonly overlay: Overlay;
  /** What the pointer is on. */
  readonly hover: StoreApi<{ readonly hit: Hit | null }> = createStore(() => ({ hit: null }));
  readonly #painter: Painter<Scene>;
  readonly #peaks: PeaksCache;
  readonly #pictures: PictureCache;
  readonly #stops: (() => void)[] = [];
  readonly #root: HTMLElement;
  readonly #wordsNow: () => Words;
  readonly #measuring = document.createElement("canvas").getContext("2d");
  #palette: Palette;
  /** Looked up once: a row is drawn more often than the language changes. */
  #words: Words;
  #labels: TextFitter;
  readonly #scroller: HTMLElement;
  /** Asked for when it changes, not while drawing: asking then makes the browser lay out anew. */
  #sight: Sight = { top: 0, bottom: 0 };
  #fitted = false;
  /** Drawn as selected instead of the selection, while a rectangle is drawn. */
  #highlighted: ReadonlySet<string> | null = null;

  /** @param root element whose colours and fonts are used */
  constructor(session: EditorSession, root: HTMLElement, scroller: HTMLElement, words: () => Words) {
    this.session = session;
    this.#root = root;
    this.#wordsNow = words;
    this.#words = words();
    this.overlay = new Overlay(session);
    this.#scroller = scroller;
    this.#painter = new Painter(() => this.#sight, () => this.#scene());
    // What cannot be saved is asked for all the same: the answer says why it cannot be shown.
    const whenSaved = () => session.editor.saved().catch(() => undefined);
    this.#peaks = new PeaksCache(session.editor.store.getState().projectId, whenSaved, (mediaId) => this.#invalidateMedia(mediaId));
    this.#pictures = new PictureCache(whenSaved, () => {
      this.#painter.invalidate("portrait");
      this.#painter.invalidate(OUTPUT);
    });
    this.#palette = readPalette(root);
    this.#labels = this.#fitter();
    this.#stops.push(
      session.editor.store.subscribe((state, before) => this.#onEditor(state, before)),
      session.editor.shown.subscribe(({ document }, before) => this.#invalidateChanged(document, before.document)),
      session.view.store.subscribe(() => this.#onView()),
      session.tracks.store.subscribe(() => this.#painter.invalidateAll()),
      session.playhead.subscribe(() => this.#onPlayhead()),
      watchPalette(() => this.refreshStyle()),
    );
    const onScroll = () => this.#lookAround();
    scroller.addEventListener("scroll", onScroll, { passive: true });
    this.#stops.push(() => scroller.removeEventListener("scroll", onScroll));
    this.#onView();
  }

  /** The rows of the document; the same array while its tracks are the same. */
  readonly rows: () => readonly Row[] = latest(
    (trackIds: string, heights: ChosenHeights) => rowsOf(trackIds.split(" "), heights),
    () => [this.session.editor.store.getState().history.present.audioTracks.map((track) => track.id).join(" "), this.session.tracks.store.getState().heights],
  );

  /** State of every clip, without the drag under way. */
  readonly lane = (): OutputLane => committedOutput(this.session.editor.store.getState());

  readonly #media: () => ReadonlyMap<string, MediaFile> = latest(
    (media: ProjectDocument["media"]) => new Map(media.map((file) => [file.id, file])),
    () => [this.#shown().media],
  );

  readonly #gridOrigins: () => readonly number[] = latest(
    (portraits: ProjectDocument["portraits"]) => {
      const starts = portraitChanges(portraits, Number.POSITIVE_INFINITY).map((change) => change.start);
      return starts.length === 0 ? [0] : starts;
    },
    () => [this.#shown().portraits],
  );

  /** Adopts the canvas of the ruler or of a row. Returns how to let it go. */
  addRuler(canvas: HTMLCanvasElement): () => void {
    return this.#painter.add(RULER, { canvas, top: null, height: RULER_HEIGHT, draw: drawRuler });
  }

  addRow(canvas: HTMLCanvasElement, row: Row): () => void {
    return this.#painter.add(row.key, { canvas, top: RULER_HEIGHT + row.top, height: row.height, draw: (context, scene, width, height) => this.#drawRow(row, context, scene, width, height) });
  }

  /** To be called when the tracks or what scrolls them have another size. */
  setWidth(width: number): void {
    this.#lookAround();
    this.session.view.setWidth(width);
    this.#painter.setWidth(width);
    if (this.#fitted || width <= 0) return;
    this.#fitted = true;
    this.session.view.setScale((_, view) => fitSpan(0, Math.max(view.length, LEAST_FIT_FRAMES), view.width, view.length));
  }

  setHover(hit: Hit | null): void {
    const before = this.hover.getState().hit;
    if (sameHit(before, hit)) return;
    this.hover.setState({ hit });
    for (const one of [before, hit]) if (one !== null) this.#painter.invalidate(one.row.key);
  }

  readonly highlight = (ids: ReadonlySet<string> | null): void => {
    const { selection } = this.session.editor.store.getState();
    const [before, now] = [this.#highlighted ?? selection, ids ?? selection];
    this.#highlighted = ids;
    this.#invalidateChosen(before, now);
  };

  /** After a change of theme, language or fonts. */
  refreshStyle(): void {
    this.#palette = readPalette(this.#root);
    this.#words = this.#wordsNow();
    this.#labels = this.#fitter();
    this.#painter.invalidateAll();
  }

  dispose(): void {
    for (const stop of this.#stops) stop();
    this.#painter.dispose();
    this.#peaks.dispose();
    this.#pictures.dispose();
    this.overlay.dispose();
  }

  #lookAround(): void {
    const { scrollTop, clientHeight } = this.#scroller;
    this.#sight = { top: scrollTop, bottom: scrollTop + clientHeight };
    this.#painter.invalidateAll();
  }

  #drawRow(row: Row, context: CanvasRenderingContext2D, scene: Scene, width: number, height: number): void {
    const { projectId, quality } = this.session.editor.store.getState();
    switch (row.track.kind) {
      case "portrait":
        drawPortraits(context, scene, projectId, width, height);
        break;
      case "prompt":
        drawPrompts(context, scene, width, height);
        break;
      case "audio": {
        const { trackId } = row.track;
        const track = scene.document.audioTracks.find((one) => one.id === trackId);
        if (track !== undefined) drawAudio(context, scene, track, width, height);
        break;
      }
      case "output":
        drawOutput(context, scene, projectId, quality, width, height);
        break;
    }
    if (scene.locked.has(row.key)) drawLock(context, scene, width, height);
  }

  /** The document with the drag under way. */
  #shown(): ProjectDocument {
    return this.session.editor.shown.getState().document;
  }

  #scene(): Scene {
    const { history, selection, focus, missingMedia, readOnly } = this.session.editor.store.getState();
    return {
      document: this.#shown(),
      committed: history.present,
      media: this.#media(),
      missingMedia,
      selection: this.#highlighted ?? selection,
      focusedMarker: focus?.kind === "marker" ? focus.id : null,
      focusedClip: focus?.kind === "clip" ? focus : null,
      hover: this.hover.getState().hit,
      scale: this.session.view.store.getState().scale,
      gridOrigins: this.#gridOrigins(),
      lane: this.lane(),
      peaks: this.#peaks,
      pictures: this.#pictures,
      palette: this.#palette,
      words: this.#words,
      labels: this.#labels,
      readOnly,
      locked: this.session.tracks.store.getState().locked,
    };
  }

  #fitter(): TextFitter {
    const context = this.#measuring;
    if (context !== null) context.font = labelFont(this.#palette);
    return new TextFitter((character) => context?.measureText(character).width ?? 0);
  }

  #onEditor(state: EditorState, before: EditorState): void {
    if (state.selection !== before.selection) this.#invalidateChosen(before.selection, state.selection);
    if (state.focus !== before.focus || state.missingMedia !== before.missingMedia || state.readOnly !== before.readOnly) {
      for (const mediaId of before.missingMedia) if (!state.missingMedia.has(mediaId)) this.#peaks.forget(mediaId);
      this.#painter.invalidateAll();
    }
    if (state.history.present !== before.history.present || state.outputs !== before.outputs || state.jobs !== before.jobs || state.jobDocuments !== before.jobDocuments || state.quality !== before.quality) {
      this.#painter.invalidate(OUTPUT);
    }
  }

  /** Only the rows whose track has changed are drawn anew. */
  #invalidateChanged(document: ProjectDocument, before: ProjectDocument): void {
    if (document === before) return;
    const common = ["markers", "range", "settings", "media"] as const;
    // Blocks and clips are counted from the portraits.
    if (document.portraits !== before.portraits || common.some((name) => document[name] !== before[name])) {
      this.#painter.invalidateAll();
      return;
    }
    if (document.prompts !== before.prompts) this.#painter.invalidate("prompt");
    document.audioTracks.forEach((track, index) => {
      if (track !== before.audioTracks[index]) this.#painter.invalidate(trackKey({ kind: "audio", trackId: track.id }));
    });
  }

  /** Rows with a segment that has been chosen, or no longer is. */
  #invalidateChosen(before: ReadonlySet<string>, now: ReadonlySet<string>): void {
    for (const { track, key } of this.rows()) {
      if (track.kind === "output") continue;
      if (segmentsOf(this.#shown(), track).some(({ id }) => before.has(id) !== now.has(id))) this.#painter.invalidate(key);
    }
  }

  #invalidateMedia(mediaId: string): void {
    for (const track of this.#shown().audioTracks) {
      if (track.segments.some((segment) => segment.mediaId === mediaId)) this.#painter.invalidate(trackKey({ kind: "audio", trackId: track.id }));
    }
  }

  #onView(): void {
    this.#pictures.beginPass();
    this.#painter.invalidateAll();
    this.overlay.refresh();
  }

  #onPlayhead(): void {
    this.overlay.refresh();
    const playing = this.session.transport.getState().transport?.state.getState().kind === "playing";
    if (!playing || this.session.playhead.isScrubbing()) return;
    const { scale, width } = this.session.view.store.getState();
    const x = xOfFrame(scale, this.session.playhead.get());
    if (x >= 0 && x <= width * PAGE_AT) return;
    this.session.view.setScale((now) => ({ ...now, scroll: this.session.playhead.get() - (width * (1 - PAGE_AT)) / now.pixelsPerFrame }));
  }
}

function sameHit(a: Hit | null, b: Hit | null): boolean {
  if (a === b) return true;
  if (a?.row !== b?.row || a === null || b === null) return false;
  if (a.kind === "segment") return b.kind === "segment" && a.segment === b.segment && a.part === b.part;
  if (a.kind === "cell") return b.kind === "cell" && a.cell === b.cell;
  return b.kind === "lane";
}
