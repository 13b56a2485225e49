import type { KeyboardEvent, PointerEvent as ReactPointerEvent } from "react";
import { useTranslation } from "react-i18next";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { type Row, ROW_HEIGHTS, rowHeight } from "../geometry/rows.ts";
import styles from "./TrackHeader.module.css";

const KEY_PIXELS = 4;

/** The lower edge of a track: dragged, or moved by Up and Down, it makes the track higher or lower; a double click brings back the usual height. */
export function HeightHandle({ session, row, name }: { readonly session: EditorSession; readonly row: Row; readonly name: string }) {
  const { t } = useTranslation();
  const { kind } = row.track;
  const { usual, least, most } = ROW_HEIGHTS[kind];
  const setHeight = (pixels: number) => {
    const height = rowHeight(kind, pixels);
    session.tracks.setHeight(row.key, height === usual ? null : height);
  };
  const drag = (event: ReactPointerEvent<HTMLElement>) => {
    if (event.button !== 0) return;
    event.preventDefault();
    const handle: HTMLElement = event.currentTarget;
    const { pointerId, clientY } = event;
    handle.focus();
    handle.setPointerCapture(pointerId);
    const ended = new AbortController();
    const { signal } = ended;
    handle.addEventListener("pointermove", (moved) => setHeight(row.height + moved.clientY - clientY), { signal });
    for (const end of ["pointerup", "pointercancel"] as const) handle.addEventListener(end, () => ended.abort(), { signal });
    const onKey = (key: globalThis.KeyboardEvent) => {
      if (key.key !== "Escape") return;
      key.preventDefault();
      key.stopPropagation();
      setHeight(row.height);
      ended.abort();
    };
    window.addEventListener("keydown", onKey, { signal, capture: true });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    event.stopPropagation();
    setHeight(row.height + (event.key === "ArrowDown" ? KEY_PIXELS : -KEY_PIXELS));
  };
  return (
    <div
      className={styles.handle}
      role="separator"
      tabIndex={0}
      aria-orientation="horizontal"
      aria-label={t("timeline.trackHeight", { name })}
      aria-valuenow={row.height}
      aria-valuemin={least}
      aria-valuemax={most}
      onPointerDown={drag}
      onDoubleClick={() => setHeight(usual)}
      onKeyDown={onKeyDown}
    />
  );
}
