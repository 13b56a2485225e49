import type { WebContents } from "electron";

/** Web pages that the program may open in the user's browser: those it links to itself. */
const TRUSTED_PAGES = ["https://github.com/", "https://huggingface.co/", "https://arxiv.org/"] as const;

export function isTrustedLink(address: string): boolean {
  try {
    const { href, username } = new URL(address);
    return username === "" && TRUSTED_PAGES.some((page) => href.startsWith(page));
  } catch {
    return false;
  }
}

/**
 * The window shows the studio and nothing else.
 * https://www.electronjs.org/docs/latest/tutorial/security#13-disable-or-limit-navigation
 * https://www.electronjs.org/docs/latest/tutorial/security#14-disable-or-limit-creation-of-new-windows
 */
export function guardNavigation(contents: WebContents, isOurs: (address: string) => boolean, openOutside: (address: string) => void): void {
  const stay = (event: { readonly preventDefault: () => void }, address: string): void => {
    if (!isOurs(address)) event.preventDefault();
  };
  contents.on("will-navigate", stay);
  contents.on("will-redirect", stay);
  contents.on("will-attach-webview", (event) => event.preventDefault());
  contents.setWindowOpenHandler(({ url }) => {
    if (isTrustedLink(url)) openOutside(url);
    return { action: "deny" };
  });
}
