import i18next from "i18next";
import type { Cell } from "../../../../electron/contract/document/output-lane.ts";
import type { ActionCategory, ActionContext, ActionDefinition } from "../../actions/definition.ts";
import { FRAMES_PER_SECOND } from "../../../../electron/contract/time.ts";
import { showFaultToast } from "../../app/fault-toast.ts";
import { currentSession, type EditorSession } from "../../editor/editor-session.ts";
import type { TranslationKey } from "../../i18n/keys.ts";
import { faultOf } from "../../rpc/client.ts";
import { showToast } from "../../ui/toasts.ts";
import { roomFrom } from "./commands/adding.ts";
import { exportStill, focusedCell, playClip, renderClip } from "./commands/clips.ts";
import * as editing from "./commands/editing.ts";
import * as navigation from "./commands/navigation.ts";
import { selectedSegments } from "./commands/selected.ts";
import { chosenTracks, toggleLock } from "./commands/tracks.ts";
import { editInline } from "./inline-editing.ts";

type Condition = (session: EditorSession) => boolean;

interface Given extends Pick<ActionDefinition, "hiddenInMenu" | "startsGroup" | "repeats" | "whileTyping"> {
  readonly when?: Condition;
  readonly checked?: Condition;
  /** The project may be read-only: it looks or plays, and changes nothing. */
  readonly harmless?: boolean;
}

const always: Condition = () => true;
const stateOf = (session: EditorSession) => session.editor.store.getState();
const hasSelection: Condition = (session) => stateOf(session).selection.size > 0;
const hasChosen: Condition = (session) => hasSelection(session) || stateOf(session).focus?.kind === "marker";
const canPlay: Condition = (session) => session.transport.getState().transport !== null;
const hasMarkers: Condition = (session) => stateOf(session).history.present.markers.length > 0;
const hasClip: Condition = (session) => stateOf(session).focus?.kind === "clip";

const openSession = ({ route }: ActionContext): EditorSession | null => (route.page === "studio" ? currentSession.getState().session : null);

/** An action on the open project. `name` is its text's key and, behind `edit.` or `timeline.`, its id. */
function action(name: ActionName, category: ActionCategory, shortcuts: readonly string[], run: (session: EditorSession) => unknown, given: Given = {}): ActionDefinition {
  const { when = always, checked, harmless = false, ...rest } = given;
  return {
    ...rest,
    id: idOf(name, category),
    labelKey: `timeline.action.${name}`,
    category,
    defaultShortcuts: shortcuts,
    enabled: (context) => {
      const session = openSession(context);
      return session !== null && (harmless || !stateOf(session).readOnly) && when(session);
    },
    run: async (context) => {
      const session = openSession(context);
      if (session === null) return;
      try {
        await run(session);
      } catch (error) {
        showFaultToast(faultOf(error));
      }
    },
    ...(checked !== undefined && {
      checked: (context: ActionContext) => {
        const session = openSession(context);
        return session !== null && checked(session);
      },
    }),
  };
}

const idOf = (name: ActionName, category: ActionCategory): string => `${category === "edit" ? "edit" : "timeline"}.${name}`;

type ActionName = TranslationKey extends infer Key ? (Key extends `timeline.action.${infer Name}` ? Name : never) : never;

const harmless = { harmless: true } as const;
const hidden = { harmless: true, hiddenInMenu: true, repeats: true } as const;
const fine = { when: hasSelection, hiddenInMenu: true, repeats: true } as const;
const { moveSelection, trimSelection } = editing;
const { seek, step } = navigation;

/** Every command of the timeline, in the order of the menus. */
export const actions: readonly ActionDefinition[] = [
  action("undo", "edit", ["Mod+Z"], (session) => session.editor.undo(), { when: (session) => stateOf(session).history.past !== null, repeats: true }),
  action("redo", "edit", ["Mod+Shift+Z", "Mod+Y"], (session) => session.editor.redo(), { when: (session) => stateOf(session).history.future !== null, repeats: true }),
  action("cut", "edit", ["Mod+X"], editing.cutSelection, { when: hasSelection, startsGroup: true }),
  action("copy", "edit", ["Mod+C"], (session) => session.editor.copy(), { when: hasSelection, harmless: true }),
  action("paste", "edit", ["Mod+V"], editing.paste, { when: (session) => stateOf(session).clipboard !== null }),
  action("duplicate", "edit", ["Mod+D"], editing.duplicateSelection, { when: hasSelection }),
  action("delete", "edit", ["Delete", "Backspace"], (session) => editing.deleteSelection(session, session.view.store.getState().ripple), { when: hasChosen, startsGroup: true }),
  action("rippleDelete", "edit", ["Shift+Delete", "Shift+Backspace"], (session) => editing.deleteSelection(session, true), { when: hasSelection }),
  action("selectAll", "edit", ["Mod+A"], editing.selectAll, { ...harmless, startsGroup: true }),
  action("deselect", "edit", ["Escape"], (session) => session.editor.select([]), { when: (session) => hasSelection(session) || stateOf(session).focus !== null, harmless: true }),

  action("split", "timeline", ["S", "Mod+B"], editing.splitAtPlayhead),
  action("trimStart", "timeline", ["Q"], (session) => editing.trimToPlayhead(session, "start")),
  action("trimEnd", "timeline", ["W"], (session) => editing.trimToPlayhead(session, "end")),
  action("nudgeLeft", "timeline", ["Alt+ArrowLeft", ","], (session) => moveSelection(session, -1, 0), fine),
  action("nudgeRight", "timeline", ["Alt+ArrowRight", "."], (session) => moveSelection(session, 1, 0), fine),
  action("nudgeLeftSecond", "timeline", ["Alt+Shift+ArrowLeft"], (session) => moveSelection(session, -FRAMES_PER_SECOND, 0), fine),
  action("nudgeRightSecond", "timeline", ["Alt+Shift+ArrowRight"], (session) => moveSelection(session, FRAMES_PER_SECOND, 0), fine),
  action("trackUp", "timeline", ["Alt+ArrowUp"], (session) => moveSelection(session, 0, -1), fine),
  action("trackDown", "timeline", ["Alt+ArrowDown"], (session) => moveSelection(session, 0, 1), fine),
  action("startEarlier", "timeline", ["["], (session) => trimSelection(session, "start", -1), fine),
  action("startLater", "timeline", ["]"], (session) => trimSelection(session, "start", 1), fine),
  action("endEarlier", "timeline", ["Shift+["], (session) => trimSelection(session, "end", -1), fine),
  action("endLater", "timeline", ["Shift+]"], (session) => trimSelection(session, "end", 1), fine),
  action("editPrompt", "timeline", ["F2", "Enter"], editPrompt, { when: (session) => hasSelection(session) && promptOf(session) !== null, startsGroup: true }),
  action("addPrompt", "timeline", ["P"], addPrompt),
  action("addTrack", "timeline", [], (session) => editing.addAudioTrack(session, i18next.t("timeline.track.voice", { number: stateOf(session).history.present.audioTracks.length + 1 }))),
  action("mute", "timeline", ["Alt+M"], muteTrack, { when: (session) => trackOf(session) !== null }),
  action("lock", "timeline", ["Alt+L"], toggleLock, { when: (session) => chosenTracks(session).length > 0 }),
  action("addMarker", "timeline", ["M"], (session) => editing.addMarker(session, ""), { startsGroup: true }),
  action("renameMarker", "timeline", [], renameMarker, { when: (session) => stateOf(session).focus?.kind === "marker" }),
  action("nextMarker", "timeline", ["Shift+M"], (session) => navigation.seekMarker(session, 1), { when: hasMarkers, harmless: true }),
  action("previousMarker", "timeline", ["Alt+Shift+M"], (session) => navigation.seekMarker(session, -1), { when: hasMarkers, harmless: true }),
  action("rangeStart", "timeline", ["I"], editing.setRangeStart, { startsGroup: true }),
  action("rangeEnd", "timeline", ["O"], editing.setRangeEnd),
  action("rangeSelection", "timeline", ["X"], editing.rangeOfSelection, { when: hasSelection }),
  action("clearRange", "timeline", ["Alt+X"], editing.clearRange, { when: (session) => stateOf(session).history.present.range !== null }),
  action("snapping", "timeline", ["N"], (session) => session.view.setSnapping(!session.view.store.getState().snapping), { ...harmless, checked: (session) => session.view.store.getState().snapping, startsGroup: true }),
  action("ripple", "timeline", ["Shift+N"], (session) => session.view.setRipple(!session.view.store.getState().ripple), { checked: (session) => session.view.store.getState().ripple }),

  action("play", "playback", ["Space"], navigation.togglePlaying, { when: canPlay, harmless: true }),
  action("stop", "playback", ["K"], (session) => session.transport.getState().transport?.pause(), { when: canPlay, harmless: true }),
  action("forward", "playback", ["L"], (session) => navigation.shuttle(session, 1), { when: canPlay, harmless: true }),
  action("backward", "playback", ["J"], (session) => navigation.shuttle(session, -1), { when: canPlay, harmless: true }),
  action("frameBack", "playback", ["ArrowLeft", "K+J"], (session) => step(session, -1), { ...hidden, startsGroup: true }),
  action("frameForward", "playback", ["ArrowRight", "K+L"], (session) => step(session, 1), hidden),
  action("secondBack", "playback", ["Shift+ArrowLeft"], (session) => step(session, -FRAMES_PER_SECOND), hidden),
  action("secondForward", "playback", ["Shift+ArrowRight"], (session) => step(session, FRAMES_PER_SECOND), hidden),
  action("previousEdit", "playback", ["ArrowUp"], (session) => navigation.seekEdit(session, -1), { ...harmless, repeats: true, startsGroup: true }),
  action("nextEdit", "playback", ["ArrowDown"], (session) => navigation.seekEdit(session, 1), { ...harmless, repeats: true }),
  action("toStart", "playback", ["Home"], (session) => seek(session, 0), harmless),
  action("toEnd", "playback", ["End"], navigation.seekEnd, harmless),

  action("zoomIn", "view", ["Plus", "=", "Mod+=", "Mod+Plus"], (session) => navigation.zoomBy(session, ZOOM_STEP), { ...harmless, repeats: true, startsGroup: true }),
  action("zoomOut", "view", ["-", "Mod+-"], (session) => navigation.zoomBy(session, 1 / ZOOM_STEP), { ...harmless, repeats: true }),
  action("fit", "view", ["Shift+Z"], navigation.zoomToFit, harmless),
  action("fitSelection", "view", ["Z"], navigation.zoomToSelection, harmless),

  action("renderClip", "render", [], (session) => withClip(session, (cell) => renderClip(session, cell)), { when: hasClip }),
  action("playClip", "render", [], (session) => withClip(session, (cell) => playClip(session, cell)), { when: (session) => hasClip(session) && canPlay(session), harmless: true }),
  action("exportStill", "render", [], exportStillOfClip, { when: hasClip, harmless: true }),
];

const ZOOM_STEP = 1.5;

/** The action of a name, for buttons and context menus. */
export function timelineAction(name: ActionName): ActionDefinition {
  const found = actions.find(({ id, category }) => id === idOf(name, category));
  if (found === undefined) throw new Error(`There is no action ${name}`);
  return found;
}

/** The only selected prompt, or null. */
function promptOf(session: EditorSession): string | null {
  const segments = selectedSegments(session);
  const [first] = segments;
  return segments.length === 1 && first?.kind === "prompt" ? first.segment.id : null;
}

function editPrompt(session: EditorSession): void {
  const segmentId = promptOf(session);
  if (segmentId !== null) editInline({ kind: "prompt", segmentId });
}

function addPrompt(session: EditorSession): void {
  const start = session.playhead.get();
  const { present } = stateOf(session).history;
  editInline({ kind: "newPrompt", start, duration: roomFrom(present, present.prompts, start) });
}

/** The chosen track, or the one of the first selected sound. */
function trackOf(session: EditorSession): string | null {
  const { focus } = stateOf(session);
  if (focus?.kind === "track") return focus.trackId;
  return selectedSegments(session).flatMap((found) => (found.kind === "audio" ? [found.track.id] : []))[0] ?? null;
}

function muteTrack(session: EditorSession): void {
  const trackId = trackOf(session);
  const track = stateOf(session).history.present.audioTracks.find((one) => one.id === trackId);
  if (track !== undefined) session.editor.edit({ type: "setTrackMuted", trackId: track.id, muted: !track.muted });
}

function renameMarker(session: EditorSession): void {
  const { focus } = stateOf(session);
  if (focus?.kind === "marker") editInline({ kind: "marker", markerId: focus.id });
}

function withClip(session: EditorSession, act: (cell: Cell) => unknown): unknown {
  const cell = focusedCell(session);
  return cell === null ? undefined : act(cell);
}

async function exportStillOfClip(session: EditorSession): Promise<void> {
  const cell = focusedCell(session);
  if (cell === null) return;
  // Inside of the clip, the frame under the playhead; else its first one.
  const at = session.playhead.get();
  const frame = at >= cell.startFrame && at < cell.startFrame + cell.frames ? at : cell.startFrame;
  if (await exportStill(session, frame, i18next.t("timeline.action.exportStill"))) showToast(i18next.t("timeline.stillQueued"));
}
