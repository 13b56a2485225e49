import { ImagePlus } from "lucide-react";
import { useTranslation } from "react-i18next";
import { mediaAddress, pictureAddress } from "../../../../electron/contract/addresses.ts";
import type { ImageFile } from "../../../../electron/contract/document/project-document.schema.ts";
import type { MaterialCheck } from "../../../../electron/contract/rpc.ts";
import type { EditorSession } from "../../editor/editor-session.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { PICTURE_TYPES } from "../../rpc/upload.ts";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { FindingList } from "../../ui/FindingList.tsx";
import { Column, MaterialStatus } from "./Column.tsx";
import { FilePicker } from "./FilePicker.tsx";
import styles from "./NewVideo.module.css";
import { useExamples } from "./use-examples.ts";
import { useKnown } from "./use-known.ts";
import type { Material } from "./use-material.ts";

export interface PortraitColumnProps {
  readonly session: EditorSession | null;
  readonly portrait: ImageFile | null;
  readonly material: Material;
  readonly onFiles: (files: readonly File[]) => void;
}

export function PortraitColumn({ session, portrait, material, onFiles }: PortraitColumnProps) {
  const { t } = useTranslation();
  return (
    <Column number={1} title={t("newVideo.portrait")} done={portrait !== null} onFiles={onFiles}>
      {portrait === null || session === null ? (
        <div className={styles.drop}>
          <ImagePlus size={28} aria-hidden="true" />
          <p>{t("newVideo.dropPortrait")}</p>
          <FilePicker accept={PICTURE_TYPES} onFile={material.takeFile}>
            {t("newVideo.browse")}
          </FilePicker>
          <p className={styles.small}>{t("newVideo.portraitHint")}</p>
        </div>
      ) : (
        <ChosenPortrait session={session} portrait={portrait} />
      )}
      <MaterialStatus material={material} label={t("newVideo.bringingPortrait")} />
      {portrait !== null && (
        <FilePicker className={styles.replace} size="small" accept={PICTURE_TYPES} onFile={material.takeFile}>
          {t("newVideo.otherPortrait")}
        </FilePicker>
      )}
      <PortraitExamples material={material} />
    </Column>
  );
}

function ChosenPortrait({ session, portrait }: { readonly session: EditorSession; readonly portrait: ImageFile }) {
  const { t } = useTranslation();
  const { projectId } = session.editor.store.getState();
  const known = useKnown(session, portrait.id);
  const { state } = useCall(known ? `${projectId} ${portrait.id}` : null, (signal) => client.media.check({ projectId, mediaId: portrait.id, quality: "preview" }, { signal, context: { retry: 2 } }));
  const check = lastOf(state);
  const size = check?.videoSize ?? null;
  return (
    <>
      <figure className={styles.portrait}>
        {known && <img src={pictureAddress(projectId, portrait.id, 1080)} alt={t("newVideo.portraitAlt", { name: portrait.name })} onError={(event) => showOriginal(event.currentTarget, mediaAddress(projectId, portrait.id))} />}
        {check !== null && state.kind === "done" && <Overlay portrait={portrait} check={check} />}
      </figure>
      <p className={styles.small}>
        {portrait.name} · {portrait.width} × {portrait.height}
        {size !== null && ` · ${t("newVideo.videoSize", { width: size.width, height: size.height })}`}
      </p>
      {state.kind === "loading" && <p role="status">{t("newVideo.checking")}</p>}
      {state.kind === "failed" && <FaultNote fault={state.fault} tone="note" />}
      {check !== null && state.kind === "done" && <FindingList label={t("newVideo.portraitChecks")} findings={check.findings} />}
    </>
  );
}

/** The server's smaller picture may not be there; the file itself is. */
function showOriginal(image: HTMLImageElement, address: string): void {
  if (!image.src.endsWith(address)) image.src = address;
}

/** What the model will see, and the faces it was found to have. Coordinates are pixels of the upright picture. */
function Overlay({ portrait, check }: { readonly portrait: ImageFile; readonly check: MaterialCheck }) {
  const { crop } = check;
  const { width, height } = portrait;
  return (
    <svg className={styles.overlay} viewBox={`0 0 ${String(width)} ${String(height)}`} preserveAspectRatio="xMidYMid meet" aria-hidden="true">
      {crop !== null && (
        <>
          <path className={styles.outside} fillRule="evenodd" d={`M0 0H${String(width)}V${String(height)}H0Z M${String(crop.x)} ${String(crop.y)}h${String(crop.width)}v${String(crop.height)}h${String(-crop.width)}Z`} />
          <rect className={styles.crop} x={crop.x} y={crop.y} width={crop.width} height={crop.height} />
        </>
      )}
      {check.faces.map((face) => (
        <rect key={`${String(face.x)} ${String(face.y)}`} className={styles.face} x={face.x} y={face.y} width={face.width} height={face.height} rx={Math.min(face.width, face.height) * 0.08} />
      ))}
    </svg>
  );
}

function PortraitExamples({ material }: { readonly material: Material }) {
  const { t } = useTranslation();
  const examples = lastOf(useExamples()) ?? [];
  if (examples.length === 0) return null;
  return (
    <div role="group" aria-labelledby="example-portraits">
      <p id="example-portraits" className={styles.examplesTitle}>
        {t("newVideo.examplePortraits")}
      </p>
      <div className={styles.examples}>
      {examples.map((example) => (
        <button key={example.id} type="button" className={styles.exampleFace} aria-label={t("newVideo.useExample", { name: example.name })} title={example.name} onClick={() => material.takeSource({ kind: "example", example: example.id, file: "portrait" })}>
          <img src={example.thumbnail} alt="" />
        </button>
      ))}
      </div>
    </div>
  );
}
