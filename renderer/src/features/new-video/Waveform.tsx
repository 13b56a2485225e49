import { useEffect, useRef } from "react";
import { peaksAddress } from "../../../../electron/contract/addresses.ts";
import type { AudioFile } from "../../../../electron/contract/document/project-document.schema.ts";
import { useCall, lastOf } from "../../rpc/use-call.ts";
import { condense, overviewLevel } from "./overview.ts";
import styles from "./NewVideo.module.css";

/** The whole recording at a glance; an empty place while there is no project yet. */
export function Waveform({ projectId, voice, label }: { readonly projectId: string | null; readonly voice: AudioFile; readonly label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const address = projectId === null ? null : peaksAddress(projectId, voice.id, overviewLevel(voice.samples / voice.sampleRate));
  const { state } = useCall(address, async (signal) => {
    const response = await fetch(address ?? "", { signal });
    if (!response.ok) throw new Error(`The waveform was answered with ${String(response.status)}`);
    return new Int8Array(await response.arrayBuffer());
  });
  const peaks = lastOf(state);
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
