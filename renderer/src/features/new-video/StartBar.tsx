import { ArrowRight, Play } from "lucide-react";
import { RadioGroup } from "radix-ui";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { PRESETS } from "../../../../electron/contract/document/presets.ts";
import type { Estimate } from "../../../../electron/contract/machine.schema.ts";
import { secondsOfFrames } from "../../../../electron/contract/time.ts";
import { navigate } from "../../app/navigation.ts";
import { useSettings } from "../../app/preferences.ts";
import type { EditorSession } from "../../editor/editor-session.ts";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useAct, useCall } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { scopeOf, withPreset, type Draft } from "./draft.ts";
import styles from "./NewVideo.module.css";
import { usePresetName } from "./preset-name.ts";

export interface StartBarProps {
  readonly session: EditorSession | null;
  readonly draft: Draft;
  /** Material is on its way. */
  readonly busy: boolean;
}

/** What it will take on this machine, and the button that starts it. */
export function StartBar({ session, draft, busy }: StartBarProps) {
  const { t } = useTranslation();
  const formats = useFormats();
  const nameOf = usePresetName();
  const [chosenId, setChosenId] = useState<string>(PRESETS[0]?.id ?? "");
  const estimates = usePresetEstimates(session, draft.frames);
  const { busy: starting, fault, act } = useAct();
  const chosen = PRESETS.find((preset) => preset.id === chosenId);
  const estimate = estimates.get(chosenId) ?? null;
  const trouble = fault ?? estimate?.fault ?? null;
  const missing = draft.portrait === null ? "portrait" : draft.voice === null ? "voice" : draft.prompt.trim() === "" ? "prompt" : null;

  const start = () =>
    act(async () => {
      if (session === null || chosen === undefined) return;
      const { editor } = session;
      const change = withPreset(editor.store.getState().history.present, chosen);
      if (change.length > 0) editor.edit(change);
      const { document, projectId } = editor.store.getState();
      await editor.saved();
      await client.jobs.render({ projectId, quality: chosen.quality, scope: scopeOf(chosen, draft.frames, document.settings.inferFrames) });
      navigate({ page: "studio", projectId });
    });

  const cut = chosen !== undefined && session !== null && scopeOf(chosen, draft.frames, session.editor.store.getState().document.settings.inferFrames);
  const covered = cut !== false && cut.kind === "range" ? cut.end : null;
  return (
    <footer className={styles.startBar}>
      <RadioGroup.Root className={styles.presets} aria-label={t("newVideo.presets")} value={chosenId} onValueChange={setChosenId} orientation="horizontal">
        {PRESETS.map((preset) => (
          <RadioGroup.Item key={preset.id} value={preset.id} className={styles.presetItem}>
            <span className={styles.presetName}>
              {nameOf(preset.id)} <span className={styles.small}>{`${String(preset.settings.width)} × ${String(preset.settings.height)}`}</span>
            </span>
            <span className={styles.presetFacts}>
              <EstimateWords estimate={estimates.get(preset.id) ?? null} />
            </span>
          </RadioGroup.Item>
        ))}
      </RadioGroup.Root>
      <div className={styles.startRight}>
        <p className={styles.startNote} role="status">
          {missing !== null
            ? t(`newVideo.missing.${missing}`)
            : busy
              ? t("newVideo.wait")
              : covered !== null
                ? t("newVideo.covers", { time: formats.clock(secondsOfFrames(covered)), total: formats.clock(secondsOfFrames(draft.frames)) })
                : estimate?.secondsSource === "estimated"
                  ? t("newVideo.estimated")
                  : ""}
        </p>
        <div className={styles.buttons}>
          <Button icon={<ArrowRight />} disabled={session === null} onClick={() => session !== null && navigate({ page: "studio", projectId: session.editor.store.getState().projectId })}>
            {t("newVideo.toStudio")}
          </Button>
          <Button variant="primary" size="large" icon={<Play />} busy={starting} disabled={missing !== null || busy || estimate?.fits === false} onClick={start}>
            {t(chosen?.quality === "final" ? "newVideo.render" : "newVideo.preview")}
            {typeof estimate?.seconds === "number" && ` · ${t("newVideo.about", { time: formats.duration(estimate.seconds) })}`}
            {typeof estimate?.memoryBytes === "number" && ` · ${formats.bytes(estimate.memoryBytes)}`}
          </Button>
        </div>
      </div>
      {trouble !== null && (
        <div className={styles.startFault}>
          <FaultNote fault={trouble} />
        </div>
      )}
    </footer>
  );
}

function EstimateWords({ estimate }: { readonly estimate: Estimate | null }) {
  const { t } = useTranslation();
  const formats = useFormats();
  if (estimate === null) return <>…</>;
  if (!estimate.fits) return <>{t("setup.doesNotFit")}</>;
  const facts = [
    estimate.seconds === null ? null : formats.duration(estimate.seconds),
    estimate.memoryBytes === null ? null : formats.bytes(estimate.memoryBytes),
    estimate.diskBytes === null ? null : t("newVideo.onDisk", { size: formats.bytes(estimate.diskBytes) }),
  ];
  return <>{facts.filter((fact) => fact !== null).join(" · ")}</>;
}

/** Asked again when the length, the cards or the precision change. */
function usePresetEstimates(session: EditorSession | null, frames: number): ReadonlyMap<string, Estimate> {
  const settings = useSettings();
  // The server counts the length of what it has saved.
  const saved = useStore(session?.editor.store ?? NOTHING, (state) => !("saving" in state) || state.saving.kind === "saved");
  const projectId = session?.editor.store.getState().projectId ?? null;
  const key = saved ? JSON.stringify([projectId, frames, settings?.gpus, settings?.shareCards, settings?.weightPrecision]) : null;
  const { state } = useCall(key, (signal) => client.render.presets({ projectId: frames === 0 ? null : projectId }, { signal, context: { retry: 2 } }));
  return new Map((lastOf(state) ?? []).map(({ preset, estimate }) => [preset, estimate]));
}

const NOTHING = { getState: () => ({}), getInitialState: () => ({}), setState: () => undefined, subscribe: () => () => undefined };
