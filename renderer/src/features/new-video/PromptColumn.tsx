import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { EditorSession } from "../../editor/editor-session.ts";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { TextArea } from "../../ui/Field.tsx";
import { FindingList } from "../../ui/FindingList.tsx";
import { Menu } from "../../ui/Menu.tsx";
import { Column } from "./Column.tsx";
import { draftOf, withPrompt } from "./draft.ts";
import styles from "./NewVideo.module.css";
import { PromptHelper } from "./PromptHelper.tsx";

export interface PromptColumnProps {
  readonly session: EditorSession | null;
  /** As the project has it: also changed by undo and by other windows. */
  readonly prompt: string;
  readonly ensure: () => Promise<EditorSession>;
}

/** Pause in typing after which the text is saved and checked. */
const PAUSE_MILLISECONDS = 400;
const LONGEST = 20_000;
const EXAMPLES = ["presenter", "teacher", "storyteller", "news"] as const;

export function PromptColumn({ session, prompt, ensure }: PromptColumnProps) {
  const { t } = useTranslation();
  const { text, settled, type, save } = usePrompt(session, prompt, ensure);
  const { state } = useCall(settled.trim() === "" ? null : settled, (signal) => client.media.checkPrompt({ text: settled }, { signal, context: { retry: 2 } }));
  const findings = settled.trim() === "" ? [] : (lastOf(state) ?? []);
  const words = text.trim() === "" ? 0 : text.trim().split(/\s+/).length;
  return (
    <Column number={3} title={t("newVideo.prompt")} done={text.trim() !== ""}>
      <TextArea
        label={t("newVideo.promptLabel")}
        labelHidden
        rows={7}
        value={text}
        onChange={type}
        onBlur={save}
        placeholder={t("newVideo.promptPlaceholder")}
        problem={text.length > LONGEST ? t("newVideo.promptTooLong", { most: LONGEST }) : null}
      />
      <div className={styles.promptFoot}>
        <span className={styles.small}>{t("newVideo.words", { count: words })}</span>
        <Menu
          align="end"
          entries={() => EXAMPLES.map((example) => ({ kind: "item", id: example, label: t(`newVideo.example.${example}.name`), onSelect: () => type(t(`newVideo.example.${example}.text`)) }))}
        >
          <Button size="small">{t("newVideo.promptExamples")}</Button>
        </Menu>
      </div>
      {findings.length > 0 && <FindingList label={t("newVideo.promptChecks")} findings={findings} />}
      <PromptHelper text={text} onChange={type} />
    </Column>
  );
}

/** The text as typed, and as the project has it: one undo step for one stretch of typing. */
function usePrompt(session: EditorSession | null, prompt: string, ensure: () => Promise<EditorSession>) {
  const [typed, setTyped] = useState<string | null>(null);
  const [settled, setSettled] = useState(prompt);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const text = typed ?? prompt;
  const latest = useRef<string | null>(null);

  const save = () => {
    if (timer.current !== null) clearTimeout(timer.current);
    timer.current = null;
    const wanted = latest.current;
    if (wanted === null || wanted.length > LONGEST) return;
    setSettled(wanted);
    // No project is made for blanks.
    if (session === null && wanted.trim() === "") return;
    ensure().then(
      ({ editor }) => {
        if (latest.current !== wanted) return;
        const document = editor.store.getState().history.present;
        if (draftOf(document).prompt === wanted || editor.edit(withPrompt(document, wanted), { label: { key: "newVideo.step.prompt", values: {} }, gesture: "new-video-prompt" })) {
          latest.current = null;
          setTyped(null);
        }
      },
      // The text stays in the field; it is sent with the next change.
      () => undefined,
    );
  };
  const latestSave = useRef(save);
  useEffect(() => {
    latestSave.current = save;
  });
  const type = (next: string) => {
    latest.current = next;
    setTyped(next);
    if (timer.current !== null) clearTimeout(timer.current);
    // The first character makes the video complete: the button that starts it must not wait for a pause.
    timer.current = setTimeout(() => latestSave.current(), prompt === "" ? 0 : PAUSE_MILLISECONDS);
  };
  useEffect(
    () => () => {
      if (timer.current !== null) latestSave.current();
    },
    [],
  );
  return { text, settled: typed === null ? prompt : settled, type, save };
}
