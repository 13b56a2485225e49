import { Image, ImageOff } from "lucide-react";
import { useState } from "react";
import styles from "./Picture.module.css";

/** A small picture of the server, or a quiet sign in its place while there is none. It fills its parent. */
export function Picture({ src, alt = "", iconSize = 20 }: { readonly src: string | null; readonly alt?: string; readonly iconSize?: number }) {
  const [broken, setBroken] = useState<string | null>(null);
  if (src === null || broken === src) {
    // Nothing there yet is no trouble.
    const Sign = src === null ? Image : ImageOff;
    return (
      <span className={styles.none}>
        <Sign size={iconSize} aria-hidden="true" />
      </span>
    );
  }
  return <img className={styles.picture} src={src} alt={alt} loading="lazy" draggable={false} onError={() => setBroken(src)} />;
}
