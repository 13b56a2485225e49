import { AlignHorizontalSpaceBetween, Flag, Magnet, Maximize2, Scissors, Trash2, ZoomIn, ZoomOut } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { timelineAction } from "../actions.ts";
import { StatusLine } from "./StatusLine.tsx";
import styles from "./Toolbar.module.css";
import { ActionButton } from "./use-action.tsx";
import { ZoomSlider } from "./ZoomSlider.tsx";

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
