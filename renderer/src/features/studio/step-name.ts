import { useTranslation } from "react-i18next";
import type { EditLabel } from "../../../../electron/contract/document/edit/commands.ts";

/**
 * Name of an undo step in the user's language. Its key is data: steps of the document core are named under `editor`, others by
 * their whole key, and one of another version may have a key that is not known.
 */
export function useStepName(): (label: EditLabel) => string {
  const { t, i18n } = useTranslation();
  const unchecked = t as unknown as (key: string, values: EditLabel["values"]) => string;
  return ({ key, values }) => {
    const known = [`editor.${key}`, key].find((one) => i18n.exists(one, values));
    return known === undefined ? t("studio.step") : unchecked(known, values);
  };
}
