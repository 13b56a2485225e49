import { useDeferredValue } from "react";
import { useTranslation } from "react-i18next";
import type { EditorSession } from "../../editor/editor-session.ts";
import { useEditor } from "../../editor/editor-session.ts";
import { useSession } from "../../editor/SessionProvider.tsx";
import { assertNever } from "../../../../electron/contract/assert-never.ts";
import { findSegment } from "../../../../electron/contract/document/timeline.ts";
import { AudioInspector } from "./AudioInspector.tsx";
import { ClipInspector } from "./ClipInspector.tsx";
import styles from "./Inspector.module.css";
import { MarkerInspector } from "./MarkerInspector.tsx";
import { PortraitInspector } from "./PortraitInspector.tsx";
import { ProjectInspector } from "./ProjectInspector.tsx";
import { PromptInspector } from "./PromptInspector.tsx";
import { TrackInspector } from "./TrackInspector.tsx";

/** What is selected, with all that can be changed about it; the project itself when nothing is. */
export default function Inspector() {
  const session = useSession();
  return (
    <div className={styles.inspector}>
      <Inspected session={session} />
    </div>
  );
}

function Inspected({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const document = useEditor(session, (state) => state.document);
  // Another selection means many new fields: the press on the timeline does not wait for them.
  const selection = useDeferredValue(useEditor(session, (state) => state.selection));
  const focus = useDeferredValue(useEditor(session, (state) => state.focus));
  if (focus !== null) {
    switch (focus.kind) {
      case "clip":
        return <ClipInspector session={session} takeId={focus.takeId} clip={focus.clip} />;
      case "marker":
        return <MarkerInspector session={session} id={focus.id} />;
      case "track":
        return <TrackInspector session={session} trackId={focus.trackId} />;
      default:
        return assertNever(focus);
    }
  }
  const [only, ...others] = [...selection];
  if (only === undefined) return <ProjectInspector session={session} />;
  if (others.length > 0) return <p className={styles.several}>{t("inspector.several", { count: selection.size })}</p>;
  const found = findSegment(document, only);
  switch (found?.kind) {
    case undefined:
      return <ProjectInspector session={session} />;
    case "portrait":
      return <PortraitInspector session={session} segment={found.segment} />;
    case "prompt":
      return <PromptInspector key={only} session={session} segment={found.segment} />;
    case "audio":
      return <AudioInspector session={session} segment={found.segment} />;
  }
}
