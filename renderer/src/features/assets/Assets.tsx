import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { MediaFile } from "../../../../electron/contract/document/project-document.schema.ts";
import { useEditor } from "../../editor/editor-session.ts";
import { useSession } from "../../editor/SessionProvider.tsx";
import { Tabs } from "../../ui/Tabs.tsx";
import styles from "./Assets.module.css";
import { MediaList } from "./MediaList.tsx";
import { PromptList } from "./PromptList.tsx";

const TABS = { image: "portraits", audio: "voices", captions: "captions" } as const;
type Tab = (typeof TABS)[MediaFile["kind"]] | "prompts";

/** The project's pictures, recordings and prompts, to be put on the timeline, and captions for the finished video. */
export default function Assets() {
  const { t } = useTranslation();
  const session = useSession();
  const [tab, setTab] = useState<Tab>("portraits");
  const media = useEditor(session, (state) => state.document.media);
  const listOf = (kind: MediaFile["kind"]) => <MediaList session={session} kind={kind} media={media.filter((one) => one.kind === kind)} onAdded={(added) => setTab(TABS[added])} />;
  return (
    <div className={styles.assets}>
      <Tabs
        label={t("assets.title")}
        value={tab}
        onChange={setTab}
        tabs={[
          { value: "portraits", label: t("assets.portraits"), content: listOf("image") },
          { value: "voices", label: t("assets.voices"), content: listOf("audio") },
          { value: "prompts", label: t("assets.prompts"), content: <PromptList session={session} /> },
          { value: "captions", label: t("assets.captions"), content: listOf("captions") },
        ]}
      />
    </div>
  );
}
