import { useEffect, useRef } from "react";
import styles from "./NewVideo.module.css";

/** Quietest level that is drawn, in decibels below full scale. */
const FLOOR_DECIBELS = -60;

/** How loud the microphone is right now, drawn outside of React at the screen's pace. */
export function LevelMeter({ analyser, label }: { readonly analyser: AnalyserNode; readonly label: string }) {
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const samples = new Float32Array(analyser.fftSize);
    let frame = 0;
    const draw = () => {
      analyser.getFloatTimeDomainData(samples);
      const peak = samples.reduce((highest, sample) => Math.max(highest, Math.abs(sample)), 0);
      const decibels = peak === 0 ? FLOOR_DECIBELS : Math.max(FLOOR_DECIBELS, 20 * Math.log10(peak));
      if (bar.current !== null) bar.current.style.transform = `scaleX(${String(1 - decibels / FLOOR_DECIBELS)})`;
      frame = requestAnimationFrame(draw);
    };
    frame = requestAnimationFrame(draw);
    return () => cancelAnimationFrame(frame);
  }, [analyser]);
  return (
    <div className={styles.meter} role="img" aria-label={label}>
      <div ref={bar} className={styles.meterBar} />
    </div>
  );
}
