import { AudioLines, Mic, Pause, Play } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { exampleAddress, mediaAddress } from "../../../../electron/contract/addresses.ts";
import type { AudioFile } from "../../../../electron/contract/document/project-document.schema.ts";
import type { EditorSession } from "../../editor/editor-session.ts";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { RECORDING_TYPES } from "../../rpc/upload.ts";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { FindingList } from "../../ui/FindingList.tsx";
import { IconButton } from "../../ui/IconButton.tsx";
import { Column, MaterialStatus } from "./Column.tsx";
import { FilePicker } from "./FilePicker.tsx";
import { LevelMeter } from "./LevelMeter.tsx";
import styles from "./NewVideo.module.css";
import { useExamples } from "./use-examples.ts";
import { useKnown } from "./use-known.ts";
import type { Material } from "./use-material.ts";
import { useRecorder } from "./use-recorder.ts";
import { Waveform } from "./Waveform.tsx";

export interface VoiceColumnProps {
  readonly session: EditorSession | null;
  readonly voice: AudioFile | null;
  readonly material: Material;
  readonly onFiles: (files: readonly File[]) => void;
}

export function VoiceColumn({ session, voice, material, onFiles }: VoiceColumnProps) {
  const { t } = useTranslation();
  const formats = useFormats();
  const recorder = useRecorder({ name: t("newVideo.recordingName"), onFile: material.takeFile, onFault: material.fail });
  const record = (
    <Button size={voice === null ? "normal" : "small"} icon={<Mic />} onClick={recorder.start} busy={recorder.state.kind === "asking"}>
      {t("newVideo.record")}
    </Button>
  );
  return (
    <Column number={2} title={t("newVideo.voice")} done={voice !== null} onFiles={onFiles}>
      {recorder.state.kind === "recording" ? (
        <div className={styles.recording}>
          <p className={styles.recordingTime}>
            <span className={styles.redDot} aria-hidden="true" />
            <span className="visually-hidden">{t("newVideo.recording")} </span>
            {formats.clock(recorder.state.seconds)}
          </p>
          <LevelMeter analyser={recorder.state.analyser} label={t("newVideo.level")} />
          <p className={styles.small}>{t("newVideo.recordingHint")}</p>
          <div className={styles.buttons}>
            <Button variant="primary" autoFocus onClick={recorder.stop}>
              {t("newVideo.stopRecording")}
            </Button>
            <Button onClick={recorder.discard}>{t("newVideo.discardRecording")}</Button>
          </div>
        </div>
      ) : voice === null || session === null ? (
        <div className={styles.drop}>
          <AudioLines size={28} aria-hidden="true" />
          <p>{t("newVideo.dropVoice")}</p>
          <div className={styles.buttons}>
            <FilePicker accept={RECORDING_TYPES} onFile={material.takeFile}>
              {t("newVideo.browse")}
            </FilePicker>
            {record}
          </div>
          <p className={styles.small}>{t("newVideo.voiceHint")}</p>
        </div>
      ) : (
        <ChosenVoice key={voice.id} session={session} voice={voice} />
      )}
      <MaterialStatus material={material} label={t("newVideo.bringingVoice")} />
      {voice !== null && recorder.state.kind !== "recording" && (
        <div className={styles.buttons}>
          <FilePicker size="small" accept={RECORDING_TYPES} onFile={material.takeFile}>
            {t("newVideo.otherVoice")}
          </FilePicker>
          {record}
        </div>
      )}
      <VoiceExamples material={material} />
    </Column>
  );
}

function ChosenVoice({ session, voice }: { readonly session: EditorSession; readonly voice: AudioFile }) {
  const { t } = useTranslation();
  const { projectId } = session.editor.store.getState();
  const known = useKnown(session, voice.id);
  const formats = useFormats();
  const { state } = useCall(known ? `${projectId} ${voice.id}` : null, (signal) => client.media.check({ projectId, mediaId: voice.id, quality: "preview" }, { signal, context: { retry: 2 } }));
  const check = lastOf(state);
  const seconds = voice.samples / voice.sampleRate;
  return (
    <>
      <div className={styles.voice}>
        <Listen address={mediaAddress(projectId, voice.id)} name={voice.name} />
        <Waveform projectId={known ? projectId : null} voice={voice} label={t("newVideo.waveform", { name: voice.name })} />
        <span className={styles.length}>{formats.clock(seconds)}</span>
      </div>
      <p className={styles.small}>
        {voice.name} · {t("newVideo.rate", { rate: formats.number(voice.sampleRate / 1000, 1) })} · {t("newVideo.channels", { count: voice.channels })}
      </p>
      {state.kind === "loading" && <p role="status">{t("newVideo.checking")}</p>}
      {state.kind === "failed" && <FaultNote fault={state.fault} tone="note" />}
      {check !== null && state.kind === "done" && <FindingList label={t("newVideo.voiceChecks")} findings={check.findings} />}
    </>
  );
}

function Listen({ address, name }: { readonly address: string; readonly name: string }) {
  const { t } = useTranslation();
  const audio = useRef<HTMLAudioElement>(null);
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    const element = audio.current;
    return () => element?.pause();
  }, []);
  const toggle = () => {
    const element = audio.current;
    if (element === null) return;
    if (element.paused) element.play().catch(() => setPlaying(false));
    else element.pause();
  };
  return (
    <>
      <IconButton label={t(playing ? "newVideo.stopListening" : "newVideo.listen", { name })} icon={playing ? <Pause /> : <Play />} variant="secondary" onClick={toggle} />
      <audio ref={audio} src={address} preload="none" onPlay={() => setPlaying(true)} onPause={() => setPlaying(false)} />
    </>
  );
}

function VoiceExamples({ material }: { readonly material: Material }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const examples = lastOf(useExamples()) ?? [];
  if (examples.length === 0) return null;
  return (
    <div>
      <p id="example-voices" className={styles.examplesTitle}>
        {t("newVideo.exampleVoices")}
      </p>
    <ul aria-labelledby="example-voices">
      {examples.map((example) => (
        <li key={example.id} className={styles.voiceExample}>
          <Listen address={exampleAddress(example.id, "voice")} name={example.name} />
          <Button size="small" variant="quiet" onClick={() => material.takeSource({ kind: "example", example: example.id, file: "voice" })}>
            {t("newVideo.useVoice", { name: example.name, time: formats.clock(example.seconds) })}
          </Button>
        </li>
      ))}
    </ul>
    </div>
  );
}
