import { EllipsisVertical } from "lucide-react";
import { useTranslation } from "react-i18next";
import { secondsOfFrames } from "../../../../electron/contract/time.ts";
import type { ProjectSummary } from "../../../../electron/contract/rpc.ts";
import { hashOfRoute } from "../../app/routes.ts";
import { useFormats } from "../../i18n/index.ts";
import { Badge } from "../../ui/Badge.tsx";
import { ContextMenu, Menu } from "../../ui/Menu.tsx";
import { IconButton } from "../../ui/IconButton.tsx";
import { Picture } from "../../ui/Picture.tsx";
import styles from "./Home.module.css";
import { useProjectActs } from "./project-acts.tsx";

export interface ProjectProps {
  readonly project: ProjectSummary;
  /** Milliseconds since 1970, for the date. */
  readonly now: number;
  readonly onChanged: () => void;
}

export function ProjectCard({ project, now, onChanged }: ProjectProps) {
  const { t } = useTranslation();
  const formats = useFormats();
  const acts = useProjectActs(project, onChanged);
  return (
    <li>
      <ContextMenu entries={acts.entries}>
        <div className={styles.card}>
          <div className={styles.picture}>
            <Picture src={project.thumbnail} iconSize={24} />
          </div>
          <div className={styles.cardBody}>
            <div className={styles.cardText}>
              <ProjectName project={project} />
              <span className={styles.facts}>
                <span>{formats.clock(secondsOfFrames(project.frames))}</span>
                <span>{formats.when(project.changedAt, now)}</span>
                {project.state !== "ok" && <Badge tone="warn">{t(`home.state.${project.state}`)}</Badge>}
              </span>
            </div>
            <Menu entries={acts.entries} align="end">
              <IconButton className={styles.menuButton} label={t("home.actionsFor", { name: project.name })} icon={<EllipsisVertical />} size="small" />
            </Menu>
          </div>
        </div>
      </ContextMenu>
      {acts.dialogs}
    </li>
  );
}

/** Opens the project, unless it cannot be opened. */
export function ProjectName({ project }: { readonly project: ProjectSummary }) {
  const reachable = project.state === "ok" || project.state === "damaged";
  if (!reachable) return <span className={styles.open}>{project.name}</span>;
  return (
    <a className={styles.open} href={hashOfRoute({ page: "studio", projectId: project.id })} title={project.name}>
      {project.name}
    </a>
  );
}
