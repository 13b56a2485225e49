import { useTranslation } from "react-i18next";
import type { Model } from "../../../../electron/contract/machine.schema.ts";

/** What to know of a model before choosing it, in the user's language as far as it has words for it. */
export function useModelNote(): (model: Model) => string {
  const { t } = useTranslation();
  return (model) => (model.kind === "demo" ? t("setup.demoNote") : model.note);
}
