import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { actionRegistry } from "../../actions/actions.ts";
import { ACTION_CATEGORIES } from "../../actions/definition.ts";
import { shortcutsOf } from "../../actions/registry.ts";
import { isMac, shortcutKeys } from "../../actions/shortcuts.ts";
import { useAllActions } from "../../actions/use-all-actions.ts";
import { navigate } from "../../app/navigation.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Kbd } from "../../ui/Kbd.tsx";
import styles from "./ShortcutSheet.module.css";

/** All keys in force, by topic. */
export default function ShortcutSheet({ onClose }: { readonly onClose: () => void }) {
  const { t } = useTranslation();
  const overrides = useStore(actionRegistry.store, (state) => state.overrides);
  const actions = useAllActions();
  const groups = ACTION_CATEGORIES.map((category) => ({ category, actions: actions.filter((action) => action.category === category && shortcutsOf(action, overrides).length > 0) }));
  const change = () => {
    onClose();
    navigate({ page: "settings" });
  };
  return (
    <Dialog open onClose={onClose} size="large" title={t("actions.shortcuts")} footer={<Button onClick={change}>{t("help.changeShortcuts")}</Button>}>
      <div className={styles.columns} tabIndex={0} role="region" aria-label={t("actions.shortcuts")}>
        {groups
          .filter((group) => group.actions.length > 0)
          .map((group) => (
            <section key={group.category} className={styles.group} aria-labelledby={`sheet-${group.category}`}>
              <h3 id={`sheet-${group.category}`} className={styles.heading}>
                {t(`actions.category.${group.category}`)}
              </h3>
              <dl>
                {group.actions.map((action) => (
                  <div key={action.id} className={styles.row}>
                    <dt>{t(action.labelKey)}</dt>
                    <dd className={styles.keys}>
                      {shortcutsOf(action, overrides).map((shortcut, index) => (
                        <Kbd key={index} keys={shortcutKeys(shortcut, isMac())} />
                      ))}
                    </dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
      </div>
    </Dialog>
  );
}
