import { Clock3, ImageOff } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { createStore, type StoreApi } from "zustand/vanilla";
import { newestPictureAddress, pictureAddress } from "../../../../electron/contract/addresses.ts";
import { assertNever } from "../../../../electron/contract/assert-never.ts";
import type { Cell } from "../../../../electron/contract/document/output-lane.ts";
import { portraitChanges } from "../../../../electron/contract/document/takes.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { Badge } from "../../ui/Badge.tsx";
import { classes } from "../../ui/classes.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { Progress } from "../../ui/Progress.tsx";
import { Spinner } from "../../ui/Spinner.tsx";
import type { Stage } from "./player.ts";
import styles from "./Player.module.css";
import { playerPreferences } from "./preferences.ts";

const NO_STAGE: StoreApi<Stage> = createStore<Stage>(() => ({ shown: { kind: "still", portraitMediaId: null, cell: null }, picture: "still", waiting: null }));

interface StageViewProps {
  readonly session: EditorSession;
  readonly stage: StoreApi<Stage> | null;
  readonly videoRef: (video: HTMLVideoElement | null) => void;
}

/** The picture, what kind of picture it is, and the portrait beside it when asked for. */
export function StageView({ session, stage, videoRef }: StageViewProps) {
  const { t } = useTranslation();
  const { shown, picture, waiting } = useStore(stage ?? NO_STAGE);
  const projectId = useEditor(session, (state) => state.projectId);
  const quality = useEditor(session, (state) => state.quality);
  const portraits = useEditor(session, (state) => state.document.portraits);
  const sideBySide = useStore(playerPreferences, (state) => state.sideBySide);
  const { cell } = shown;
  const portrait = shown.kind === "still" ? shown.portraitMediaId : portraitOfTake(shown.cell.takeId);

  function portraitOfTake(takeId: string): string | null {
    return portraitChanges(portraits, Number.POSITIVE_INFINITY).find((change) => change.id === takeId)?.mediaId ?? null;
  }

  const still = portrait === null ? null : pictureAddress(projectId, portrait, 1080);
  const showsVideo = picture === "video";
  const newest = useNewestPicture(session, cell);
  return (
    <div className={classes(styles.stage, sideBySide && styles.sideBySide)}>
      {sideBySide && still !== null && (
        <figure className={styles.side}>
          <img src={still} alt={t("player.portrait")} className={styles.picture} />
          <figcaption className={styles.caption}>{t("player.portrait")}</figcaption>
        </figure>
      )}
      <div className={styles.main}>
        <video ref={videoRef} className={classes(styles.picture, !showsVideo && styles.hidden)} playsInline disablePictureInPicture aria-label={t("player.video")} data-visible={showsVideo} />
        {!showsVideo && still !== null && newest === null && <img src={still} alt={t("player.portrait")} className={classes(styles.picture, styles.dimmed)} />}
        {!showsVideo && newest !== null && <img src={newest} alt={t("player.newest")} className={styles.picture} />}
        {!showsVideo && still === null && <EmptyState icon={<ImageOff size={28} />} title={t("player.empty")} text={t("player.emptyHint")} />}
        <div className={styles.tags}>
          {quality === "preview" && (showsVideo || cell !== null) && <Badge tone="warn">{t("player.previewQuality")}</Badge>}
          {showsVideo && cell?.state.kind === "stale" && <Badge tone="neutral">{t("player.outOfDate")}</Badge>}
        </div>
        {waiting !== null && (
          <p className={styles.notice} role="status">
            <Spinner /> {t(`player.waiting.${waiting}`)}
          </p>
        )}
        {!showsVideo && waiting === null && cell !== null && <CellNotice cell={cell} />}
      </div>
    </div>
  );
}

/** What the engine makes just now, if that is what belongs at the playhead: pictures come before their clip does. */
function useNewestPicture(session: EditorSession, cell: Cell | null): string | null {
  return useEditor(session, ({ projectId, quality, jobs }) => {
    if (cell?.state.kind !== "rendering") return null;
    for (const { projectId: owner, work, state } of jobs) {
      if (owner !== projectId || work.kind !== "render" || work.quality !== quality || state.status !== "running" || state.takeId !== cell.takeId) continue;
      if (state.picture?.clip === cell.clip) return newestPictureAddress(projectId, quality, cell.takeId, state.picture.frame);
    }
    return null;
  });
}

/** Why there is no moving picture here, and when there will be one. */
function CellNotice({ cell }: { readonly cell: Cell }) {
  const { t } = useTranslation();
  const { state } = cell;
  switch (state.kind) {
    case "fresh":
    case "stale":
      return (
        <p className={styles.notice} role="status">
          <Spinner /> {t("player.waiting.loading")}
        </p>
      );
    case "rendering":
      return (
        <div className={styles.notice} role="status">
          <span>{t("player.rendering")}</span>
          <Progress label={t("player.rendering")} share={state.share} />
        </div>
      );
    case "queued":
      return (
        <p className={styles.notice}>
          <Clock3 size={14} aria-hidden="true" /> {t("player.queued")}
        </p>
      );
    case "empty":
      return <p className={styles.notice}>{t("player.notRendered")}</p>;
    case "failed":
      return <p className={classes(styles.notice, styles.failed)}>{t("player.failed")}</p>;
    default:
      return assertNever(state);
  }
}
