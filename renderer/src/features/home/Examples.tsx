import { useTranslation } from "react-i18next";
import { navigate } from "../../app/navigation.ts";
import { useFormats } from "../../i18n/index.ts";
import { lastOf, useAct } from "../../rpc/use-call.ts";
import { createProject } from "../new-video/new-project.ts";
import { useExamples } from "../new-video/use-examples.ts";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Picture } from "../../ui/Picture.tsx";
import styles from "./Home.module.css";

/** Shipped material, one click from a preview. */
export function Examples() {
  const { t } = useTranslation();
  const formats = useFormats();
  const examples = lastOf(useExamples()) ?? [];
  const { busy, fault, act } = useAct();
  if (examples.length === 0) return null;
  const start = (example: string) => act(async () => navigate({ page: "new", projectId: await createProject(example) }));
  return (
    <section aria-labelledby="examples-heading">
      <div className={styles.sectionHead}>
        <h2 id="examples-heading">{t("home.examples")}</h2>
        <span className={styles.sectionHint}>{t("home.examplesHint")}</span>
      </div>
      {fault !== null && <FaultNote fault={fault} />}
      <ul className={styles.grid}>
        {examples.map((example) => (
          <li key={example.id} className={styles.card}>
            <div className={styles.picture}>
              <Picture src={example.thumbnail} iconSize={24} />
            </div>
            <div className={styles.cardBody}>
              <div className={styles.cardText}>
                <button type="button" className={styles.open} disabled={busy} onClick={() => start(example.id)}>
                  {t("home.exampleName", { name: example.name, time: formats.clock(example.seconds) })}
                </button>
                <span className={styles.prompt}>{example.prompt}</span>
              </div>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
