import { EllipsisVertical } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { secondsOfFrames } from "../../../../electron/contract/time.ts";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { Badge } from "../../ui/Badge.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { TextField } from "../../ui/Field.tsx";
import { IconButton } from "../../ui/IconButton.tsx";
import { Menu } from "../../ui/Menu.tsx";
import { Picture } from "../../ui/Picture.tsx";
import { search } from "../palette/search.ts";
import styles from "./Home.module.css";
import { useProjectActs } from "./project-acts.tsx";
import { ProjectName, type ProjectProps } from "./ProjectCard.tsx";

/** Every project, found by name. */
export default function ProjectsDialog({ onClose }: { readonly onClose: () => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [now] = useState(() => Date.now());
  const { state, again } = useCall("projects", (signal) => client.projects.list(undefined, { signal }));
  const found = search(lastOf(state) ?? [], (project) => project.name, typed);
  return (
    <Dialog open onClose={onClose} size="large" title={t("home.allProjects")}>
      <div className={styles.projects} onClick={(event) => event.target instanceof Element && event.target.closest("a") !== null && onClose()}>
        <TextField label={t("home.find")} labelHidden placeholder={t("home.find")} type="search" value={typed} onChange={setTyped} />
        {state.kind === "failed" && <FaultNote fault={state.fault} />}
        <ul>
          {found.map((project) => (
            <ProjectRow key={project.id} project={project} now={now} onChanged={again} />
          ))}
        </ul>
        {state.kind === "done" && found.length === 0 && <p role="status">{t(typed === "" ? "home.noProjects" : "home.noneFound")}</p>}
      </div>
    </Dialog>
  );
}

function ProjectRow({ project, now, onChanged }: ProjectProps) {
  const { t } = useTranslation();
  const formats = useFormats();
  const acts = useProjectActs(project, onChanged);
  return (
    <li className={styles.projectRow}>
      <span className={styles.rowPicture}>
        <Picture src={project.thumbnail} iconSize={16} />
      </span>
      <span className={styles.cardText}>
        <ProjectName project={project} />
        <span className={styles.facts}>
          <span>{formats.clock(secondsOfFrames(project.frames))}</span>
          <span>{formats.when(project.changedAt, now)}</span>
          <span>{project.folder}</span>
        </span>
      </span>
      {project.state !== "ok" && <Badge tone="warn">{t(`home.state.${project.state}`)}</Badge>}
      <Menu entries={acts.entries} align="end">
        <IconButton className={styles.menuButton} label={t("home.actionsFor", { name: project.name })} icon={<EllipsisVertical />} size="small" />
      </Menu>
      {acts.dialogs}
    </li>
  );
}
