import type { Session } from "electron";

/**
 * What a page of ours may ask for: to record the voice, to show the player full screen, to copy text.
 * https://www.electronjs.org/docs/latest/tutorial/security#5-handle-session-permission-requests-from-remote-content
 */
export function mayHave(permission: string, fromUs: boolean, mediaTypes: readonly string[]): boolean {
  if (!fromUs) return false;
  if (permission === "media") return mediaTypes.length > 0 && mediaTypes.every((type) => type === "audio");
  return permission === "fullscreen" || permission === "clipboard-sanitized-write";
}

/** Answers every question of a page about permissions. */
export function guardPermissions(session: Session, isOurs: (address: string) => boolean): void {
  session.setPermissionRequestHandler((contents, permission, decide, details) => {
    const types = "mediaTypes" in details ? (details.mediaTypes ?? []) : [];
    decide(mayHave(permission, isOurs(details.requestingUrl) && isOurs(contents.getURL()), types));
  });
  session.setPermissionCheckHandler((_contents, permission, requestingOrigin, details) => mayHave(permission, isOurs(requestingOrigin), details.mediaType === undefined ? [] : [details.mediaType]));
}
