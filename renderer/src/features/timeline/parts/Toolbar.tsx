import { AlignHorizontalSpaceBetween, Flag, Magnet, Maximize2, Scissors, Trash2, ZoomIn, ZoomOut } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { FRAMES_PER_SECOND } from "../../../../../electron/contract/time.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { xOfFrame, zoomAt, zoomOfShare, zoomShare } from "../../../editor/scale.ts";
import type { ViewState } from "../../../editor/view.ts";
import { Slider } from "../../../ui/Slider.tsx";
import { timelineAction } from "../actions.ts";
import styles from "./Toolbar.module.css";
import { ActionButton } from "./use-action.tsx";
import { StatusLine } from "./StatusLine.tsx";

export function Toolbar({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  return (
    <div className={styles.bar} role="toolbar" aria-label={t("timeline.tools")}>
      <div className={styles.group}>
        <ActionButton action={timelineAction("split")} icon={<Scissors />} />
        <ActionButton action={timelineAction("delete")} icon={<Trash2 />} />
        <ActionButton action={timelineAction("addMarker")} icon={<Flag />} />
      </div>
      <span className={styles.line} />
      <div className={styles.group}>
        <ActionButton action={timelineAction("snapping")} icon={<Magnet />} />
        <ActionButton action={timelineAction("ripple")} icon={<AlignHorizontalSpaceBetween />} />
      </div>
      <StatusLine session={session} />
      <div className={styles.group}>
        <ActionButton action={timelineAction("zoomOut")} icon={<ZoomOut />} />
        <ZoomSlider session={session} />
        <ActionButton action={timelineAction("zoomIn")} icon={<ZoomIn />} />
        <ActionButton action={timelineAction("fit")} icon={<Maximize2 />} />
      </div>
    </div>
  );
}

const SLIDER_STEPS = 200;

function ZoomSlider({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const [step, showStep] = useZoomStep(session);
  const { width, length } = session.view.store.getState();
  const pixels = Math.round(zoomOfShare(step / SLIDER_STEPS, width, length) * FRAMES_PER_SECOND);
  const zoomTo = (next: number) => {
    session.view.setScale((scale, view) => {
      const x = xOfFrame(scale, session.playhead.get());
      const around = x >= 0 && x <= view.width ? x : view.width / 2;
      return zoomAt(scale, zoomOfShare(next / SLIDER_STEPS, view.width, view.length) / scale.pixelsPerFrame, around, view.width, view.length);
    });
    showStep();
  };
  return <Slider className={styles.zoom} label={t("timeline.zoom")} value={step} min={0} max={SLIDER_STEPS} step={1} onChange={zoomTo} valueText={t("timeline.zoomValue", { pixels })} />;
}

/** The knob follows the wheel at this pace: a slider rendered with every turn would cost more than the timeline itself. */
const PACE_MILLISECONDS = 100;

const stepOf = ({ scale, width, length }: ViewState): number => Math.round(zoomShare(scale, width, length) * SLIDER_STEPS);

/** The slider's position, a moment late, and how to bring it up to date at once. */
function useZoomStep(session: EditorSession): readonly [number, () => void] {
  const { store } = session.view;
  const [step, setStep] = useState(() => stepOf(store.getState()));
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const update = () => {
      timer = null;
      setStep(stepOf(store.getState()));
    };
    update();
    const stop = store.subscribe(() => (timer ??= setTimeout(update, PACE_MILLISECONDS)));
    return () => {
      if (timer !== null) clearTimeout(timer);
      stop();
    };
  }, [store]);
  return [step, () => setStep(stepOf(store.getState()))];
}
