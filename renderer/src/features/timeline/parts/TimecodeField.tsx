import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { frameOfTimecode, timecode } from "../../../../../electron/contract/time.ts";
import { isComposing } from "../../../actions/shortcuts.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { followPlayhead } from "../../../editor/playhead.ts";
import { seek } from "../commands/navigation.ts";
import styles from "./TimecodeField.module.css";

/** Where the playhead is; a typed time moves it. Written without React: it changes with every picture. */
export function TimecodeField({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  const [invalid, setInvalid] = useState(false);
  useEffect(() => {
    const write = () => {
      const field = input.current;
      if (field !== null && document.activeElement !== field) field.value = timecode(session.playhead.get());
    };
    return followPlayhead(session.playhead, write);
  }, [session]);
  return (
    <div className={styles.box}>
      <input
        ref={input}
        className={styles.field}
        aria-label={t("timeline.time")}
        aria-invalid={invalid}
        title={invalid ? t("timeline.timeInvalid") : undefined}
        defaultValue={timecode(0)}
        onFocus={(event) => event.currentTarget.select()}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (isComposing(event.nativeEvent)) return;
          if (event.key === "Escape") event.currentTarget.blur();
          if (event.key !== "Enter") return;
          const frame = frameOfTimecode(event.currentTarget.value);
          setInvalid(frame === null);
          if (frame === null) return;
          event.currentTarget.blur();
          seek(session, frame);
        }}
        onBlur={(event) => {
          setInvalid(false);
          event.currentTarget.value = timecode(session.playhead.get());
        }}
      />
    </div>
  );
}
