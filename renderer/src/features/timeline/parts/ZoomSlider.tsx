import { useCallback, useEffect, useRef, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { FRAMES_PER_SECOND } from "../../../../../electron/contract/time.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { xOfFrame, zoomAt, zoomOfShare, zoomShare } from "../../../editor/scale.ts";
import styles from "./ZoomSlider.module.css";

const STEPS = 200;
/** Keys that move a slider: they are not shortcuts while it has the focus. */
const OWN_KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);

/** The zoom as a slider. Written without React: it follows every step of the wheel. */
export function ZoomSlider({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  const { store, setScale } = session.view;

  /** The zoom in words: only who is at the slider hears them. */
  const say = useCallback(() => {
    const pixels = Math.round(store.getState().scale.pixelsPerFrame * FRAMES_PER_SECOND);
    input.current?.setAttribute("aria-valuetext", t("timeline.zoomValue", { pixels }));
  }, [store, t]);
  useEffect(() => {
    let shown = "";
    const write = () => {
      const { scale, width, length } = store.getState();
      const step = String(Math.round(zoomShare(scale, width, length) * STEPS));
      const slider = input.current;
      if (slider === null || step === shown) return;
      shown = step;
      slider.value = step;
      if (document.activeElement === slider) say();
      else slider.removeAttribute("aria-valuetext");
    };
    write();
    return store.subscribe(write);
  }, [store, say]);

  const zoomTo = (step: number) =>
    setScale((scale, { width, length }) => {
      const x = xOfFrame(scale, session.playhead.get());
      const around = x >= 0 && x <= width ? x : width / 2;
      return zoomAt(scale, zoomOfShare(step / STEPS, width, length) / scale.pixelsPerFrame, around, width, length);
    });
  return (
    <div className={styles.box}>
      <input
        ref={input}
        type="range"
        className={styles.slider}
        aria-label={t("timeline.zoom")}
        min={0}
        max={STEPS}
        step={1}
        onFocus={say}
        onInput={(event) => zoomTo(Number(event.currentTarget.value))}
        onKeyDown={(event: KeyboardEvent) => {
          if (OWN_KEYS.has(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
        }}
      />
    </div>
  );
}
