import { useCallback, useId, useMemo, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "radix-ui";
import { actionContext, actionRegistry, runAction, shortcutShown } from "../../actions/actions.ts";
import type { ActionDefinition } from "../../actions/definition.ts";
import { isComposing } from "../../actions/shortcuts.ts";
import styles from "./Palette.module.css";
import { search } from "./search.ts";

/** Every command that can run now, found by typing. */
export default function Palette({ onClose }: { readonly onClose: () => void }) {
  const { t } = useTranslation();
  const id = useId();
  const [typed, setTyped] = useState("");
  const [place, setPlace] = useState(0);
  const [available] = useState(() => {
    const context = actionContext();
    return actionRegistry.store.getState().actions.filter((action) => action.id !== "help.palette" && action.enabled(context));
  });
  const nameOf = useCallback((action: ActionDefinition) => t("common.named", { name: t(`actions.category.${action.category}`), text: t(action.labelKey) }), [t]);
  const found = useMemo(() => search(available, nameOf, typed), [available, nameOf, typed]);
  const chosen = Math.min(place, found.length - 1);

  const run = (action: ActionDefinition | undefined) => {
    if (action === undefined) return;
    onClose();
    // The dialog gives the focus back first: a command may move it.
    requestAnimationFrame(() => runAction(action));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (isComposing(event.nativeEvent)) return;
    const steps: Partial<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const last = found.length - 1;
      // Single steps go round, pages stop at the ends.
      setPlace(Math.abs(step) === 1 ? (chosen + step + found.length) % Math.max(1, found.length) : Math.min(last, Math.max(0, chosen + step)));
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(found[chosen]);
    }
  };

  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className={styles.overlay} />
        <Dialog.Content className={styles.palette} aria-describedby={undefined} aria-label={t("help.palette")}>
          <Dialog.Title className="visually-hidden">{t("help.palette")}</Dialog.Title>
          <input
            className={styles.input}
            role="combobox"
            aria-expanded="true"
            aria-controls={`${id}-list`}
            aria-activedescendant={found[chosen] === undefined ? undefined : `${id}-${found[chosen].id}`}
            aria-label={t("help.palettePlaceholder")}
            placeholder={t("help.palettePlaceholder")}
            value={typed}
            onChange={(event) => {
              setTyped(event.target.value);
              setPlace(0);
            }}
            onKeyDown={onKeyDown}
          />
          <ul id={`${id}-list`} role="listbox" aria-label={t("help.palette")} className={styles.list}>
            {found.map((action, index) => (
              <li
                key={action.id}
                id={`${id}-${action.id}`}
                role="option"
                aria-selected={index === chosen}
                className={styles.item}
                ref={index === chosen ? (element) => element?.scrollIntoView({ block: "nearest" }) : undefined}
                onMouseMove={() => setPlace(index)}
                onClick={() => run(action)}
              >
                <span>{nameOf(action)}</span>
                <kbd className={styles.keys}>{shortcutShown(action)}</kbd>
              </li>
            ))}
          </ul>
          {found.length === 0 && (
            <p className={styles.nothing} role="status">
              {t("help.nothingFound", { typed })}
            </p>
          )}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
