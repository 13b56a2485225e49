/** Colours and fonts of the canvases, read from the design tokens. */
export interface Palette {
  readonly lane: string;
  readonly ruler: string;
  readonly border: string;
  readonly grid: string;
  readonly text: string;
  readonly textMuted: string;
  readonly accent: string;
  readonly accentText: string;
  readonly portrait: string;
  readonly prompt: string;
  readonly voice: string;
  readonly video: string;
  readonly onTrack: string;
  readonly waveform: string;
  readonly playhead: string;
  readonly guide: string;
  readonly ok: string;
  readonly warn: string;
  readonly danger: string;
  readonly dangerFill: string;
  readonly onDanger: string;
  readonly selection: string;
  readonly shade: string;
  readonly font: string;
}

const TOKENS = {
  lane: "--surface-0",
  ruler: "--surface-1",
  border: "--border",
  grid: "--border",
  text: "--text",
  textMuted: "--text-muted",
  accent: "--accent",
  accentText: "--accent-text",
  portrait: "--track-portrait",
  prompt: "--track-prompt",
  voice: "--track-voice",
  video: "--track-video",
  onTrack: "--on-track",
  waveform: "--waveform",
  playhead: "--playhead",
  guide: "--guide",
  ok: "--ok",
  warn: "--warn",
  danger: "--danger",
  dangerFill: "--danger-fill",
  onDanger: "--on-danger",
  selection: "--text",
  shade: "--surface-sunken",
  font: "--font",
} as const satisfies Record<keyof Palette, string>;

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const value = (name: string) => style.getPropertyValue(name).trim();
  return Object.fromEntries(Object.entries(TOKENS).map(([name, token]) => [name, value(token)])) as unknown as Palette;
}

/** Calls back when theme, language or system colours change. Returns how to stop. */
export function watchPalette(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "lang", "class", "style"] });
  return () => observer.disconnect();
}
