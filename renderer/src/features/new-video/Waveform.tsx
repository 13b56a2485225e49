import { useEffect, useRef } from "react";
import { peaksAddress } from "../../../../electron/contract/addresses.ts";
import type { AudioFile } from "../../../../electron/contract/document/project-document.schema.ts";
import { PEAKS_DRAFT_TYPE } from "../../../../electron/contract/peaks.ts";
import { useCall, lastOf } from "../../rpc/use-call.ts";
import { condense, overviewLevel } from "./overview.ts";
import styles from "./NewVideo.module.css";

/** The whole recording at a glance; an empty place while there is no project yet. */
export function Waveform({ projectId, voice, label }: { readonly projectId: string | null; readonly voice: AudioFile; readonly label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const address = projectId === null ? null : peaksAddress(projectId, voice.id, overviewLevel(voice.samples / voice.sampleRate));
  const { state, again } = useCall(address, async (signal) => {
    const response = await fetch(address ?? "", { signal });
    if (!response.ok) throw new Error(`The waveform was answered with ${String(response.status)}`);
    return { pairs: new Int8Array(await response.arrayBuffer()), draft: response.headers.get("content-type") === PEAKS_DRAFT_TYPE };
  });
  const draft = state.kind === "done" && state.value.draft;
  useEffect(() => {
    // The draft of a long recording stays in sight until the exact answer comes.
    if (draft) again();
  }, [draft, again]);
  const peaks = lastOf(state)?.pairs ?? null;
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d") ?? null;
    if (element === null || context === null || peaks === null) return;
    const draw = () => {
      const { clientWidth: width, clientHeight: height } = element;
      const ratio = window.devicePixelRatio;
      element.width = Math.round(width * ratio);
      element.height = Math.round(height * ratio);
      context.scale(ratio, ratio);
      context.fillStyle = getComputedStyle(element).color;
      const columns = condense(peaks, Math.floor(width / 2));
      const step = width / Math.max(1, columns.length);
      columns.forEach(([low, high], index) => {
        const top = ((127 - high) / 254) * height;
        const bottom = ((127 - low) / 254) * height;
        context.fillRect(index * step, top, Math.max(1, step - 0.5), Math.max(1, bottom - top));
      });
    };
    draw();
    const observer = new ResizeObserver(draw);
    observer.observe(element);
    return () => observer.disconnect();
  }, [peaks]);
  return <canvas ref={canvas} className={styles.waveform} role="img" aria-label={label} />;
}
