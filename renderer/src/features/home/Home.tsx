import { FolderOpen, Plus } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { actionRegistry, runAction } from "../../actions/actions.ts";
import { navigate } from "../../app/navigation.ts";
import { rememberDropped } from "../new-video/dropped-files.ts";
import { Button } from "../../ui/Button.tsx";
import { classes } from "../../ui/classes.ts";
import { useFileDrop } from "../../ui/use-file-drop.ts";
import { EngineMissing } from "./EngineMissing.tsx";
import { Examples } from "./Examples.tsx";
import styles from "./Home.module.css";
import { RecentProjects } from "./RecentProjects.tsx";
import { SetupStrip } from "./SetupStrip.tsx";

/** Where one begins: a new video, what was made before, examples, and whether everything is ready. */
export default function Home() {
  const { t } = useTranslation();
  const [examplesFirst, setExamplesFirst] = useState(false);
  const drop = useFileDrop((files) => {
    rememberDropped(files);
    navigate({ page: "new", projectId: null });
  });
  const open = () => {
    const action = actionRegistry.find("file.open");
    if (action !== null) runAction(action);
  };
  const examples = <Examples />;
  return (
    <div className={classes(styles.home, drop.over && styles.over)} {...drop.handlers}>
      <div className={styles.page}>
        <header className={styles.header}>
          <div>
            <h1>{t("home.title")}</h1>
            <p className={styles.lead}>{t("home.lead")}</p>
          </div>
          <div className={styles.start}>
            <Button variant="primary" size="large" icon={<Plus />} onClick={() => navigate({ page: "new", projectId: null })}>
              {t("actions.newVideo")}
            </Button>
            <Button size="large" icon={<FolderOpen />} onClick={open}>
              {t("actions.open")}
            </Button>
          </div>
        </header>
        <EngineMissing />
        <SetupStrip />
        {examplesFirst && examples}
        <RecentProjects onEmpty={setExamplesFirst} />
        {!examplesFirst && examples}
      </div>
      {drop.over && (
        <p className={styles.dropHint} role="status">
          {t("home.dropHere")}
        </p>
      )}
    </div>
  );
}
