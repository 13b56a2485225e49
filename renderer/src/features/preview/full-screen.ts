/** Shows an element on the whole screen, or ends that. What the browser refuses is no fault: the picture is there anyway. */
export function toggleFullScreen(element: HTMLElement): void {
  const change = document.fullscreenElement === null ? element.requestFullscreen() : document.exitFullscreen();
  change.catch(() => undefined);
}

/** The player on the page, for the command of menus and keys. */
export function playerElement(): HTMLElement | null {
  return document.querySelector<HTMLElement>("[data-player]");
}
