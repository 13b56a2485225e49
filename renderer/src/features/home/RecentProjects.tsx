import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { showDialog } from "../../app/dialogs.ts";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import styles from "./Home.module.css";
import { ProjectCard } from "./ProjectCard.tsx";

/** More are in the dialog behind "All projects". */
const SHOWN = 8;

export function RecentProjects({ onEmpty }: { readonly onEmpty: (empty: boolean) => void }) {
  const { t } = useTranslation();
  const { state, again } = useCall("projects", (signal) => client.projects.list(undefined, { signal, context: { retry: Number.POSITIVE_INFINITY } }));
  const projects = lastOf(state);
  const empty = projects?.length === 0;
  const [now] = useState(() => Date.now());
  useEffect(() => onEmpty(empty), [empty, onEmpty]);
  if (state.kind === "failed") return <FaultNote fault={state.fault} action={<Button onClick={again}>{t("common.retry")}</Button>} />;
  if (projects === null || empty) return null;
  return (
    <section aria-labelledby="recent-heading">
      <div className={styles.sectionHead}>
        <h2 id="recent-heading">{t("home.recent")}</h2>
        {projects.length > SHOWN && (
          <Button variant="quiet" size="small" onClick={() => showDialog("projects")}>
            {t("home.all", { count: projects.length })}
          </Button>
        )}
      </div>
      <ul className={styles.grid}>
        {projects.slice(0, SHOWN).map((project) => (
          <ProjectCard key={project.id} project={project} now={now} onChanged={again} />
        ))}
      </ul>
    </section>
  );
}
