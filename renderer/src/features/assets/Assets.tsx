import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { MediaFile } from "../../../../electron/contract/document/project-document.schema.ts";
import { useEditor } from "../../editor/editor-session.ts";
import { useSession } from "../../editor/SessionProvider.tsx";
import { Tabs } from "../../ui/Tabs.tsx";
import styles from "./Assets.module.css";
import { MediaList } from "./MediaList.tsx";
import { PromptList } from "./PromptList.tsx";

type Tab = "portraits" | "voices" | "prompts";

/** The project's pictures, recordings and prompts, to be put on the timeline. */
export default function Assets() {
  const { t } = useTranslation();
  const session = useSession();
  const [tab, setTab] = useState<Tab>("portraits");
  const media = useEditor(session, (state) => state.document.media);
  const of = (kind: MediaFile["kind"]) => media.filter((one) => one.kind === kind);
  return (
    <div className={styles.assets}>
      <Tabs
        label={t("assets.title")}
        value={tab}
        onChange={setTab}
        tabs={[
          { value: "portraits", label: t("assets.portraits"), content: <MediaList session={session} kind="image" media={of("image")} /> },
          { value: "voices", label: t("assets.voices"), content: <MediaList session={session} kind="audio" media={of("audio")} /> },
          { value: "prompts", label: t("assets.prompts"), content: <PromptList session={session} /> },
        ]}
      />
    </div>
  );
}
