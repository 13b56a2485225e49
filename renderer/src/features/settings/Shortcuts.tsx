import { Pencil, RotateCcw } from "lucide-react";
import { useMemo, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import type { ActionDefinition } from "../../actions/definition.ts";
import { ACTION_CATEGORIES } from "../../actions/definition.ts";
import { overridden, shortcutConflicts, shortcutsOf, type ShortcutOverrides } from "../../actions/registry.ts";
import { isMac, shortcutKeys, shortcutLabel, shortcutOfPress, shortcutText } from "../../actions/shortcuts.ts";
import { useAllActions } from "../../actions/use-all-actions.ts";
import { changeSettings, useSettings } from "../../app/preferences.ts";
import { Button } from "../../ui/Button.tsx";
import { TextField } from "../../ui/Field.tsx";
import { IconButton } from "../../ui/IconButton.tsx";
import { Kbd } from "../../ui/Kbd.tsx";
import { search } from "../palette/search.ts";
import styles from "./Settings.module.css";

const NO_OVERRIDES: ShortcutOverrides = {};

/** Every action with its keys, to be changed; the same keys on two actions are pointed out. */
export function Shortcuts() {
  const { t } = useTranslation();
  const overrides = useSettings()?.shortcuts ?? NO_OVERRIDES;
  const [typed, setTyped] = useState("");
  const actions = useAllActions();
  const conflicts = useMemo(() => shortcutConflicts(actions, overrides), [actions, overrides]);
  const found = search(actions, (action) => `${t(action.labelKey)} ${shortcutsOf(action, overrides).map((one) => shortcutLabel(one, isMac())).join(" ")}`, typed);
  const save = (next: ShortcutOverrides) => void changeSettings({ shortcuts: Object.fromEntries(Object.entries(next).map(([id, keys]) => [id, [...keys]])) });
  return (
    <section aria-labelledby="shortcuts-heading">
      <div className={styles.shortcutHead}>
        <h2 id="shortcuts-heading">{t("actions.shortcuts")}</h2>
        <div className={styles.filter}>
          <TextField label={t("settings.findShortcut")} labelHidden type="search" placeholder={t("settings.findShortcut")} value={typed} onChange={setTyped} />
        </div>
        <Button disabled={Object.keys(overrides).length === 0} onClick={() => save({})}>
          {t("settings.resetAll")}
        </Button>
      </div>
      <div className={styles.box}>
        {ACTION_CATEGORIES.map((category) => {
          const own = found.filter((action) => action.category === category);
          return (
            own.length > 0 && (
              <div key={category} role="group" aria-label={t(`actions.category.${category}`)}>
                <h3 className={styles.group}>{t(`actions.category.${category}`)}</h3>
                {own.map((action) => (
                  <ShortcutRow
                    key={action.id}
                    action={action}
                    overrides={overrides}
                    conflicts={conflicts}
                    onChange={(keys) => save(keys === null ? without(overrides, action.id) : { ...overrides, [action.id]: keys })}
                  />
                ))}
              </div>
            )
          );
        })}
        {found.length === 0 && <p className={styles.row}>{t("help.nothingFound", { typed })}</p>}
      </div>
    </section>
  );
}

interface ShortcutRowProps {
  readonly action: ActionDefinition;
  readonly overrides: ShortcutOverrides;
  readonly conflicts: ReadonlyMap<string, readonly ActionDefinition[]>;
  /** New keys, or null for the ones it came with. */
  readonly onChange: (keys: readonly string[] | null) => void;
}

function ShortcutRow({ action, overrides, conflicts, onChange }: ShortcutRowProps) {
  const { t } = useTranslation();
  const [capturing, setCapturing] = useState(false);
  const shortcuts = shortcutsOf(action, overrides);
  const label = t(action.labelKey);
  const others = [...new Set(shortcuts.flatMap((shortcut) => conflicts.get(shortcutText(shortcut)) ?? []))].filter((other) => other.id !== action.id);

  const capture = (event: KeyboardEvent) => {
    // Tab leaves the field: the way out for those who move by keyboard.
    if (event.key === "Tab") return;
    event.preventDefault();
    event.stopPropagation();
    const bare = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
    const clears = bare && (event.key === "Backspace" || event.key === "Delete");
    const shortcut = shortcutOfPress(event.nativeEvent, isMac());
    if (event.key !== "Escape" && !clears) {
      if (shortcut === null) return;
      onChange([shortcutText(shortcut)]);
    } else if (clears) {
      onChange([]);
    }
    setCapturing(false);
  };

  return (
    <div className={styles.shortcut}>
      <span className={styles.shortcutName}>
        {label}
        {others.length > 0 && <span className={styles.conflict}>{t("settings.conflict", { others: others.map((other) => t(other.labelKey)).join(", ") })}</span>}
      </span>
      {capturing ? (
        <Button className={styles.capture} autoFocus onKeyDown={capture} onBlur={() => setCapturing(false)}>
          {t("settings.pressKeys")}
        </Button>
      ) : (
        <span className={styles.keys}>
          {shortcuts.length === 0 ? <span className={styles.none}>{t("settings.noKeys")}</span> : shortcuts.map((shortcut, index) => <Kbd key={index} keys={shortcutKeys(shortcut, isMac())} />)}
        </span>
      )}
      <span className={styles.buttons}>
        {overridden(overrides, action.id) !== undefined && <IconButton size="small" label={t("settings.reset", { name: label })} icon={<RotateCcw />} onClick={() => onChange(null)} />}
        <IconButton size="small" label={t("settings.change", { name: label })} icon={<Pencil />} onClick={() => setCapturing(true)} />
      </span>
    </div>
  );
}

function without(overrides: ShortcutOverrides, id: string): ShortcutOverrides {
  return Object.fromEntries(Object.entries(overrides).filter(([key]) => key !== id));
}
