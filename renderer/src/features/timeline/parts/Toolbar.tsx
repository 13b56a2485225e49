import { AlignHorizontalSpaceBetween, Flag, Magnet, Maximize2, Scissors, Trash2, ZoomIn, ZoomOut } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { FRAMES_PER_SECOND } from "../../../../../electron/contract/time.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { xOfFrame, zoomAt, zoomOfShare, zoomShare } from "../../../editor/scale.ts";
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
  // Whole steps: the slider is rendered anew only when its knob would move.
  const step = useStore(session.view.store, ({ scale, width, length }) => Math.round(zoomShare(scale, width, length) * SLIDER_STEPS));
  const { width, length } = session.view.store.getState();
  const pixels = Math.round(zoomOfShare(step / SLIDER_STEPS, width, length) * FRAMES_PER_SECOND);
  const zoomTo = (next: number) =>
    session.view.setScale((scale, view) => {
      const x = xOfFrame(scale, session.playhead.get());
      const around = x >= 0 && x <= view.width ? x : view.width / 2;
      return zoomAt(scale, zoomOfShare(next / SLIDER_STEPS, view.width, view.length) / scale.pixelsPerFrame, around, view.width, view.length);
    });
  return <Slider className={styles.zoom} label={t("timeline.zoom")} value={step} min={0} max={SLIDER_STEPS} step={1} onChange={zoomTo} valueText={t("timeline.zoomValue", { pixels })} />;
}
