/** Texts that are drawn, in the user's language. */
export interface Words {
  readonly dropPortrait: string;
  readonly writePrompt: string;
  readonly dropVoice: string;
  readonly nothingRendered: string;
  readonly missingFile: string;
  readonly emptyPrompt: string;
  readonly noWaveform: string;
}
