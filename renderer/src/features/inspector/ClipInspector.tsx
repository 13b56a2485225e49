import { useTranslation } from "react-i18next";
import { clipThumbnailAddress } from "../../../../electron/contract/addresses.ts";
import type { Cell } from "../../../../electron/contract/document/output-lane.ts";
import type { StaleReason } from "../../../../electron/contract/document/staleness.ts";
import { timecode } from "../../../../electron/contract/time.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { shownOutput } from "../../editor/shown-output.ts";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { useAct } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import styles from "./Inspector.module.css";
import { Facts, Section } from "./parts.tsx";

/** One clip of the output lane: its state, why it is out of date, and what to do. */
export function ClipInspector({ session, takeId, clip }: { readonly session: EditorSession; readonly takeId: string; readonly clip: number }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const { busy, fault, act } = useAct();
  const projectId = useEditor(session, (state) => state.projectId);
  const quality = useEditor(session, (state) => state.quality);
  const readOnly = useEditor(session, (state) => state.readOnly);
  const output = useEditor(session, (state) => state.outputs.find((one) => one.takeId === takeId && one.quality === state.quality));
  const cell = useEditor(session, (state) => shownOutput(state).cells.find((one) => one.takeId === takeId && one.clip === clip) ?? null);
  if (cell === null) return <p className={styles.note}>{t("inspector.clipGone")}</p>;
  const render = () =>
    act(async () => {
      await session.editor.saved();
      await client.jobs.render({ projectId, quality, scope: { kind: "range", start: cell.startFrame, end: cell.startFrame + cell.frames } });
    });
  const renderable = cell.state.kind === "empty" || cell.state.kind === "stale" || cell.state.kind === "failed";
  return (
    <Section title={t("timeline.clip", { number: clip + 1 })}>
      {cell.state.contentHash !== null && <img className={styles.picture} src={clipThumbnailAddress(projectId, quality, takeId, clip, cell.state.contentHash)} alt="" />}
      <Facts
        facts={[
          [t("inspector.state"), stateText(cell)],
          [t("inspector.start"), timecode(cell.startFrame)],
          [t("inspector.length"), timecode(cell.frames)],
          [t("inspector.quality"), t(`exporting.quality.${quality}`)],
          ...(output === undefined ? [] : ([[t("inspector.size"), `${String(output.width)} × ${String(output.height)}`]] as const)),
        ]}
      />
      {cell.state.kind === "stale" && <Reasons reasons={cell.state.reasons} />}
      {cell.state.kind === "failed" && <FaultNote fault={cell.state.fault} />}
      {fault !== null && <FaultNote fault={fault} />}
      {renderable && (
        <div>
          <Button variant="primary" busy={busy} disabled={readOnly} onClick={() => void render()}>
            {t("timeline.action.renderClip")}
          </Button>
        </div>
      )}
      <p className={styles.note}>{t("inspector.clipNote")}</p>
    </Section>
  );

  function stateText({ state: shown }: Cell): string {
    return shown.kind === "rendering" ? t("timeline.state.rendering", { share: formats.percent(shown.share) }) : t(`timeline.state.${shown.kind}`);
  }
}

function Reasons({ reasons }: { readonly reasons: readonly StaleReason[] }) {
  const { t } = useTranslation();
  return (
    <div className={styles.reasons}>
      <p>{t("timeline.because")}</p>
      <ul>
        {reasons.map((reason) => (
          <li key={reason.kind}>{reason.kind === "earlierClip" ? t("timeline.reason.earlierClip", { number: reason.clip + 1 }) : t(`timeline.reason.${reason.kind}`)}</li>
        ))}
      </ul>
    </div>
  );
}
