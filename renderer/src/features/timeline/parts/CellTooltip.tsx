import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import type { Cell } from "../../../../../electron/contract/document/output-lane.ts";
import { xOfFrame } from "../../../editor/scale.ts";
import { useFormats } from "../../../i18n/index.ts";
import { useFaultText } from "../../../i18n/server-texts.ts";
import type { Fault } from "../../../../../electron/contract/fault.schema.ts";
import { RULER_HEIGHT } from "../geometry/rows.ts";
import type { TimelineStage } from "../stage/timeline-stage.ts";
import styles from "./CellTooltip.module.css";

const DELAY_MILLISECONDS = 350;
const MOST_WIDTH = 260;

/** Says what state a clip is in, and why, when the pointer rests on it. */
export function CellTooltip({ stage }: { readonly stage: TimelineStage }) {
  const hovered = useStore(stage.hover, ({ hit }) => (hit?.kind === "cell" ? hit : null));
  const [rested, setRested] = useState<typeof hovered>(null);
  useEffect(() => {
    if (hovered === null) return;
    const timer = setTimeout(() => setRested(hovered), DELAY_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [hovered]);
  if (hovered === null || rested !== hovered) return null;
  return <Tip stage={stage} cell={hovered.cell} rowTop={hovered.row.top} />;
}

function Tip({ stage, cell, rowTop }: { readonly stage: TimelineStage; readonly cell: Cell; readonly rowTop: number }) {
  const { t } = useTranslation();
  const { percent } = useFormats();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const write = () => {
      const element = box.current;
      if (element === null) return;
      const view = stage.session.view.store.getState();
      const x = Math.max(4, Math.min(view.width - element.offsetWidth - 4, xOfFrame(view.scale, cell.startFrame)));
      element.style.transform = `translate(${String(Math.round(x))}px, ${String(RULER_HEIGHT + rowTop - 6)}px) translateY(-100%)`;
    };
    write();
    return stage.session.view.store.subscribe(write);
  }, [stage, cell, rowTop]);
  const { state } = cell;
  return (
    <div ref={box} className={styles.tip} style={{ maxWidth: MOST_WIDTH }} role="tooltip">
      <p className={styles.title}>
        {t("timeline.clip", { number: cell.clip + 1 })} · {t(`timeline.state.${state.kind}`, { share: state.kind === "rendering" ? percent(state.share) : "" })}
      </p>
      {state.kind === "stale" && (
        <>
          <p>{t("timeline.because")}</p>
          <ul className={styles.reasons}>
            {state.reasons.map((reason) => (
              <li key={reason.kind}>{t(`timeline.reason.${reason.kind}`, { number: reason.kind === "earlierClip" ? reason.clip + 1 : 0 })}</li>
            ))}
          </ul>
        </>
      )}
      {state.kind === "failed" && <FaultLines fault={state.fault} />}
    </div>
  );
}

function FaultLines({ fault }: { readonly fault: Fault }) {
  const { what, why, hint } = useFaultText(fault);
  return [what, why, hint].filter((line) => line !== "").map((line) => <p key={line}>{line}</p>);
}
