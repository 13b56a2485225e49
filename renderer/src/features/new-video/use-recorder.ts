import { useCallback, useEffect, useRef, useState } from "react";
import type { Fault } from "../../../../electron/contract/fault.schema.ts";
import { pageFault } from "../../rpc/client.ts";

export type RecorderState = { readonly kind: "idle" } | { readonly kind: "asking" } | { readonly kind: "recording"; readonly seconds: number; readonly analyser: AnalyserNode };

export interface Recorder {
  readonly state: RecorderState;
  readonly start: () => void;
  /** Ends the recording and hands it over. */
  readonly stop: () => void;
  /** Ends it and forgets it. */
  readonly discard: () => void;
}

/** Best first; the first one the browser can make. All are readable by the server. */
const FORMATS = [
  ["audio/webm;codecs=opus", "webm"],
  ["audio/ogg;codecs=opus", "ogg"],
  ["audio/mp4", "m4a"],
] as const;

interface Running {
  readonly recorder: MediaRecorder;
  readonly end: () => void;
}

/** Records the microphone. Every way it can be refused has its own words. */
export function useRecorder({ name, onFile, onFault }: { readonly name: string; readonly onFile: (file: File) => void; readonly onFault: (fault: Fault) => void }): Recorder {
  const [state, setState] = useState<RecorderState>({ kind: "idle" });
  const running = useRef<Running | null>(null);
  const wanted = useRef(false);
  const isWanted = useCallback(() => wanted.current, []);

  const start = useCallback(async () => {
    if (wanted.current) return;
    // Missing on plain http pages of other machines, whatever the types say.
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    if (devices === undefined) {
      onFault(pageFault("MICROPHONE_INSECURE"));
      return;
    }
    wanted.current = true;
    setState({ kind: "asking" });
    try {
      const stream = await devices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
      // Left while the browser asked.
      if (!isWanted()) {
        stream.getTracks().forEach((track) => track.stop());
        return;
      }
      const [format, extension] = FORMATS.find(([type]) => MediaRecorder.isTypeSupported(type)) ?? FORMATS[0];
      const recorder = new MediaRecorder(stream, { mimeType: format, audioBitsPerSecond: 192_000 });
      const context = new AudioContext();
      const analyser = context.createAnalyser();
      context.createMediaStreamSource(stream).connect(analyser);
      const startedAt = performance.now();
      const pieces: Blob[] = [];
      const clock = setInterval(() => setState({ kind: "recording", seconds: (performance.now() - startedAt) / 1000, analyser }), 250);
      const end = () => {
        clearInterval(clock);
        stream.getTracks().forEach((track) => track.stop());
        void context.close();
        running.current = null;
        wanted.current = false;
        setState({ kind: "idle" });
      };
      recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
      recorder.addEventListener("stop", () => {
        const keep = running.current?.recorder === recorder;
        end();
        if (!keep) return;
        const recording = new Blob(pieces, { type: format });
        if (recording.size === 0) onFault(pageFault("RECORDING_EMPTY"));
        else onFile(new File([recording], `${name}.${extension}`, { type: format }));
      });
      // Once a second, so that an unplugged microphone loses no more than that.
      recorder.start(1_000);
      running.current = { recorder, end };
      setState({ kind: "recording", seconds: 0, analyser });
    } catch (error) {
      wanted.current = false;
      setState({ kind: "idle" });
      onFault(microphoneFault(error));
    }
  }, [isWanted, name, onFault, onFile]);

  const stop = useCallback(() => running.current?.recorder.stop(), []);
  const discard = useCallback(() => {
    const now = running.current;
    wanted.current = false;
    running.current = null;
    now?.recorder.stop();
    now?.end();
  }, []);
  useEffect(() => discard, [discard]);
  return { state, start: () => void start(), stop, discard };
}

/** Why there is no recording, by the names that browsers give. */
export function microphoneFault(error: unknown): Fault {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return pageFault("MICROPHONE_REFUSED");
    case "NotFoundError":
    case "OverconstrainedError":
      return pageFault("MICROPHONE_MISSING");
    default:
      return pageFault("MICROPHONE_BUSY");
  }
}
