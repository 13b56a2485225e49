import { useTranslation } from "react-i18next";

const KNOWN = ["quick_preview", "standard", "endless", "high_resolution"] as const;

/** Name of a preset in the user's language; one of a newer server keeps its own. */
export function usePresetName(): (preset: string) => string {
  const { t } = useTranslation();
  return (preset) => {
    const known = KNOWN.find((one) => one === preset);
    return known === undefined ? preset : t(`newVideo.preset.${known}`);
  };
}
