import { AudioLines, Captions, Ellipsis, FileWarning, Plus, Upload } from "lucide-react";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { pictureAddress } from "../../../../electron/contract/addresses.ts";
import type { MediaFile } from "../../../../electron/contract/document/project-document.schema.ts";
import { assertNever } from "../../../../electron/contract/assert-never.ts";
import type { Fault } from "../../../../electron/contract/fault.schema.ts";
import { framesOfSamples, timecode } from "../../../../electron/contract/time.ts";
import { MEDIA_DRAG_TYPE } from "../../editor/drag-media.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { useFormats } from "../../i18n/index.ts";
import { client, pageFault } from "../../rpc/client.ts";
import { ACCEPTED_TYPES, materialOfFile, sourceOfFile } from "../../rpc/upload.ts";
import { useAct } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { classes } from "../../ui/classes.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { IconButton } from "../../ui/IconButton.tsx";
import { Menu } from "../../ui/Menu.tsx";
import { useFileDrop } from "../../ui/use-file-drop.ts";
import styles from "./Assets.module.css";
import { placeOnTimeline } from "./place.ts";

interface MediaListProps {
  readonly session: EditorSession;
  readonly kind: MediaFile["kind"];
  readonly media: readonly MediaFile[];
  /** A file of some kind was added: its list is to be seen. */
  readonly onAdded: (kind: MediaFile["kind"]) => void;
}

const NAMES = { image: "assets.portraits", audio: "assets.voices", captions: "assets.captions" } as const;

export function MediaList({ session, kind, media, onAdded }: MediaListProps) {
  const { t } = useTranslation();
  const { projectId, readOnly, missingMedia } = useEditor(session, (state) => state);
  const input = useRef<HTMLInputElement>(null);
  /** The missing file that is being looked for; null adds a new one. */
  const [sought, setSought] = useState<string | null>(null);
  /** A file that is not the missing one. */
  const [other, setOther] = useState<{ readonly mediaId: string; readonly file: File } | null>(null);
  /** A file of no known kind was among those that came. */
  const [unusable, setUnusable] = useState<Fault | null>(null);
  const { busy, fault, act, clear } = useAct();
  const { editor } = session;

  /** Each file goes where it belongs, wherever it was dropped. */
  const add = (files: readonly File[]) =>
    act(async () => {
      const usable = files.filter((file) => materialOfFile(file) !== null);
      setUnusable(usable.length < files.length ? pageFault("NOT_MATERIAL") : null);
      for (const file of usable) {
        const { media: added } = await client.media.import({ projectId, source: await sourceOfFile(file) });
        editor.edit({ type: "addMedia", media: added });
        onAdded(added.kind);
      }
    });
  /** Another file in the place of one: of a missing one only the same, unless the user says that the other shall do. */
  const replace = (mediaId: string, file: File, force: boolean) => {
    setOther(null);
    return act(async () => {
      const source = await sourceOfFile(file);
      if (!missingMedia.has(mediaId)) {
        const { media: imported } = await client.media.import({ projectId, source });
        editor.edit({ type: "replaceMedia", mediaId, media: { ...imported, id: mediaId } });
        return;
      }
      setOther({ mediaId, file });
      const { media: located } = await client.media.locate({ projectId, mediaId, source, force });
      setOther(null);
      editor.edit({ type: "replaceMedia", mediaId, media: located });
    });
  };
  const take = (files: readonly File[]) => {
    const [first] = files;
    if (first === undefined) return;
    void (sought === null ? add(files) : replace(sought, first, false));
  };
  const choose = (locating: string | null) => {
    setSought(locating);
    input.current?.click();
  };
  const drop = useFileDrop((files) => void add(files));

  return (
    <div className={classes(styles.list, drop.over && styles.over)} {...drop.handlers}>
      <div className={styles.tools}>
        <Button size="small" icon={<Upload size={14} />} busy={busy} disabled={readOnly} onClick={() => choose(null)}>
          {t("assets.import")}
        </Button>
        <input
          ref={input}
          type="file"
          hidden
          multiple={sought === null}
          accept={ACCEPTED_TYPES[kind]}
          onChange={(event) => {
            take([...(event.target.files ?? [])]);
            // The same file can be chosen again.
            event.target.value = "";
          }}
        />
      </div>
      {fault !== null && (
        <FaultNote
          fault={fault}
          onDismiss={clear}
          action={
            fault.code === "MEDIA_DIFFERENT" &&
            other !== null && (
              <Button size="small" onClick={() => void replace(other.mediaId, other.file, true)}>
                {t("assets.useAnyway")}
              </Button>
            )
          }
        />
      )}
      {unusable !== null && <FaultNote fault={unusable} onDismiss={() => setUnusable(null)} />}
      {media.length === 0 && <EmptyState title={t(`assets.empty.${kind}`)} text={t(`assets.emptyHint.${kind}`)} />}
      <ul className={styles.items} aria-label={t(NAMES[kind])}>
        {media.map((one) => (
          <MediaItem key={one.id} session={session} media={one} missing={missingMedia.has(one.id)} onLocate={() => choose(one.id)} />
        ))}
      </ul>
    </div>
  );
}

function MediaItem({ session, media, missing, onLocate }: { readonly session: EditorSession; readonly media: MediaFile; readonly missing: boolean; readonly onLocate: () => void }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const { projectId, readOnly } = useEditor(session, (state) => state);
  /** Captions belong to the whole video: they have no place on a track. */
  const placeable = media.kind !== "captions" && !readOnly && !missing;
  const add = () => placeOnTimeline(session, media);
  return (
    <li
      className={styles.item}
      draggable={placeable}
      onDragStart={(event) => {
        event.dataTransfer.setData(MEDIA_DRAG_TYPE, media.id);
        event.dataTransfer.effectAllowed = "copy";
      }}
      onDoubleClick={() => placeable && add()}
    >
      {missing ? (
        <FileWarning className={styles.thumb} aria-hidden="true" />
      ) : media.kind === "image" ? (
        <img className={styles.thumb} src={pictureAddress(projectId, media.id, 120)} alt="" loading="lazy" />
      ) : media.kind === "audio" ? (
        <AudioLines className={styles.thumb} aria-hidden="true" />
      ) : (
        <Captions className={styles.thumb} aria-hidden="true" />
      )}
      <div className={styles.words}>
        <span className={styles.name} title={media.name}>
          {media.name}
        </span>
        <span className={styles.detail}>{missing ? t("assets.missing") : detail()}</span>
      </div>
      {missing ? (
        <Button size="small" disabled={readOnly} onClick={onLocate}>
          {t("assets.locate")}
        </Button>
      ) : (
        media.kind !== "captions" && <IconButton size="small" label={t("assets.add", { name: media.name })} icon={<Plus />} disabled={readOnly} onClick={add} />
      )}
      <Menu
        align="end"
        entries={() => [
          ...(media.kind === "captions" ? [] : [{ kind: "item" as const, id: "add", label: t("assets.addHere"), disabled: !placeable, onSelect: add }]),
          { kind: "item", id: "locate", label: t("assets.replace"), disabled: readOnly, onSelect: onLocate },
          { kind: "item", id: "remove", label: t("assets.remove"), danger: true, disabled: readOnly, onSelect: () => session.editor.edit({ type: "removeMedia", mediaId: media.id }) },
          { kind: "item", id: "unused", label: t("assets.removeUnused"), disabled: readOnly, onSelect: () => session.editor.edit({ type: "removeUnusedMedia" }) },
        ]}
      >
        <IconButton size="small" label={t("assets.more", { name: media.name })} icon={<Ellipsis />} />
      </Menu>
    </li>
  );

  function detail(): string {
    switch (media.kind) {
      case "image":
        return `${String(media.width)} × ${String(media.height)}`;
      case "audio":
        return timecode(framesOfSamples(media.samples, media.sampleRate));
      case "captions":
        return t("assets.captionCount", { count: media.captions, length: formats.clock(media.milliseconds / 1000) });
      default:
        return assertNever(media);
    }
  }
}
