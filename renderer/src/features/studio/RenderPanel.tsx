import { Clapperboard } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { RenderScope } from "../../../../electron/contract/jobs.schema.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useAct, useCall } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Segmented } from "../../ui/Segmented.tsx";
import { CardPlan } from "./CardPlan.tsx";
import { startRender } from "./start-render.ts";
import styles from "./Studio.module.css";

type ScopeKind = RenderScope["kind"];

/** Quality, extent, what it will take, and the button. */
export function RenderPanel({ session, onStarted }: { readonly session: EditorSession; readonly onStarted: () => void }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const { editor } = session;
  const quality = useEditor(session, (state) => state.quality);
  const range = useEditor(session, (state) => state.document.range);
  const readOnly = useEditor(session, (state) => state.readOnly);
  const saved = useEditor(session, (state) => state.saving.kind === "saved");
  const document = useEditor(session, (state) => state.document);
  const [kind, setKind] = useState<ScopeKind>("stale");
  const scope: RenderScope = kind === "range" && range !== null ? { kind: "range", ...range } : { kind: kind === "all" ? "all" : "stale" };
  const projectId = document.id;
  const key = saved ? JSON.stringify([quality, scope, fingerprintOf(document)]) : null;
  const { state } = useCall(key, (signal) => client.render.estimate({ projectId, quality, scope }, { signal }));
  const estimate = lastOf(state);
  const { busy, fault, act } = useAct();
  const start = async () => {
    if (await act(() => startRender(session, quality, scope))) onStarted();
  };
  const facts =
    estimate === null || estimate.clipsToRender === 0
      ? []
      : ([
          [t("setup.size"), `${String(estimate.width)} × ${String(estimate.height)}`],
          [t("studio.clips"), t("studio.clipsToRender", { clips: formats.number(estimate.clipsToRender), all: formats.number(estimate.clips) })],
          [t("setup.time"), estimate.seconds === null ? "–" : `${formats.duration(estimate.seconds)}${estimate.secondsSource === "estimated" ? ` ${t("setup.estimated")}` : ""}`],
          [t("setup.memory"), estimate.memoryBytes === null ? "–" : formats.bytes(estimate.memoryBytes)],
          [t("setup.disk"), estimate.diskBytes === null ? "–" : formats.bytes(estimate.diskBytes)],
        ] as const);
  const trouble = estimate?.fault ?? null;
  const nothing = estimate?.clipsToRender === 0;
  return (
    <>
      <Segmented
        label={t("studio.quality")}
        value={quality}
        options={[
          { value: "preview", label: t("queue.quality.preview") },
          { value: "final", label: t("queue.quality.final") },
        ]}
        onChange={editor.setQuality}
      />
      <Segmented
        label={t("studio.scope")}
        value={kind === "range" && range === null ? "stale" : kind}
        options={[
          { value: "stale", label: t("studio.scopeStale") },
          { value: "all", label: t("studio.scopeAll") },
          { value: "range", label: t("queue.scope.range"), disabled: range === null },
        ]}
        onChange={setKind}
      />
      {facts.length > 0 && (
        <dl>
          {facts.map(([name, value]) => (
            <div key={name} className={styles.renderFact}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {estimate !== null && !nothing && estimate.plan.length > 0 && <CardPlan plan={estimate.plan} onCard={estimate.onCard} />}
      {state.kind === "failed" && <FaultNote fault={state.fault} />}
      {trouble !== null && <FaultNote fault={trouble} tone={estimate?.fits === true ? "note" : "danger"} />}
      {fault !== null && <FaultNote fault={fault} />}
      {nothing && <p role="status">{t("studio.nothingStale")}</p>}
      <Button variant="primary" size="large" icon={<Clapperboard />} busy={busy} disabled={readOnly || nothing || estimate?.fits === false || state.kind === "failed"} onClick={start}>
        {t(quality === "preview" ? "studio.renderPreview" : "studio.renderFinal")}
      </Button>
    </>
  );
}

/** A number for each version of a document: the estimate is asked again when it changes. */
const versions = new WeakMap<object, number>();
let newest = 0;
function fingerprintOf(document: object): number {
  const known = versions.get(document);
  if (known !== undefined) return known;
  newest += 1;
  versions.set(document, newest);
  return newest;
}
