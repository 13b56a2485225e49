import { Plus } from "lucide-react";
import { useTranslation } from "react-i18next";
import { PROMPT_DRAG_TYPE } from "../../editor/drag-media.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { Button } from "../../ui/Button.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { IconButton } from "../../ui/IconButton.tsx";
import styles from "./Assets.module.css";
import { placePrompt } from "./place.ts";

/** Prompts that the timeline uses, each once, to be used again elsewhere. */
export function PromptList({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const { document, readOnly } = useEditor(session, (state) => state);
  const texts = [...new Set(document.prompts.map((segment) => segment.text.trim()))].filter((text) => text !== "");
  return (
    <div className={styles.list}>
      <div className={styles.tools}>
        <Button size="small" icon={<Plus size={14} />} disabled={readOnly} onClick={() => placePrompt(session, "")}>
          {t("assets.newPrompt")}
        </Button>
      </div>
      {texts.length === 0 && <EmptyState title={t("assets.empty.prompt")} text={t("assets.emptyHint.prompt")} />}
      <ul className={styles.items} aria-label={t("assets.prompts")}>
        {texts.map((text) => (
          <li
            key={text}
            className={styles.item}
            draggable={!readOnly}
            onDragStart={(event) => {
              event.dataTransfer.setData(PROMPT_DRAG_TYPE, text);
              event.dataTransfer.effectAllowed = "copy";
            }}
            onDoubleClick={() => !readOnly && placePrompt(session, text)}
          >
            <span className={styles.prompt}>{text}</span>
            <IconButton size="small" label={t("assets.usePrompt")} icon={<Plus />} disabled={readOnly} onClick={() => placePrompt(session, text)} />
          </li>
        ))}
      </ul>
    </div>
  );
}
