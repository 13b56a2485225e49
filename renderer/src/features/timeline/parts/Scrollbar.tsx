import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { clampScale } from "../../../editor/scale.ts";
import styles from "./Scrollbar.module.css";

const LEAST_THUMB_PIXELS = 24;

/** What part of the timeline is in sight. Written without React: it changes with every step of zooming and scrolling. */
export function Scrollbar({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const bar = useRef<HTMLDivElement>(null);
  const thumb = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const write = () => {
      const [element, track] = [thumb.current, bar.current];
      if (element === null || track === null) return;
      const place = placeOfThumb(session);
      // Cut out of the whole bar: another width would make the browser lay it out anew.
      element.style.clipPath = `inset(0 ${String(place.room - place.left - place.width)}px 0 ${String(place.left)}px round 4px)`;
      const share = String(Math.round(place.share * 100));
      if (track.getAttribute("aria-valuenow") !== share) track.setAttribute("aria-valuenow", share);
    };
    write();
    return session.view.store.subscribe(write);
  }, [session]);

  const scrollTo = (left: number) => {
    const place = placeOfThumb(session);
    const free = place.room - place.width;
    session.view.setScale((scale) => ({ ...scale, scroll: free <= 0 ? 0 : (Math.min(free, Math.max(0, left)) / free) * place.furthest }));
  };
  return (
    <div
      ref={bar}
      className={styles.bar}
      role="scrollbar"
      aria-label={t("timeline.scrollbar")}
      aria-orientation="horizontal"
      aria-controls="timeline-tracks"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={0}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        const start = placeOfThumb(session);
        const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
        const onThumb = x >= start.left && x <= start.left + start.width;
        // A press beside the thumb brings it there.
        if (!onThumb) scrollTo(x - start.width / 2);
        const grasp = onThumb ? x - start.left : start.width / 2;
        const target = event.currentTarget;
        target.setPointerCapture(event.pointerId);
        const move = (moved: PointerEvent) => scrollTo(moved.clientX - target.getBoundingClientRect().left - grasp);
        const ended = new AbortController();
        target.addEventListener("pointermove", move, { signal: ended.signal });
        for (const end of ["pointerup", "pointercancel"] as const) target.addEventListener(end, () => ended.abort(), { signal: ended.signal });
      }}
    >
      <div ref={thumb} className={styles.thumb} />
    </div>
  );
}

/** `furthest` is the largest scroll, in frames; `share` how much of it is scrolled. */
function placeOfThumb(session: EditorSession): { readonly left: number; readonly width: number; readonly room: number; readonly furthest: number; readonly share: number } {
  const { scale, width: room, length } = session.view.store.getState();
  const shown = room / scale.pixelsPerFrame;
  const furthest = clampScale({ ...scale, scroll: Number.MAX_SAFE_INTEGER }, room, length).scroll;
  const width = Math.min(room, Math.max(LEAST_THUMB_PIXELS, (shown / (furthest + shown)) * room));
  const share = furthest <= 0 ? 0 : Math.min(1, scale.scroll / furthest);
  return { left: share * (room - width), width, room, furthest, share };
}
