import { Cpu, House, ListVideo, Settings as SettingsIcon, Wrench } from "lucide-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { GIGABYTE } from "../../../electron/contract/byte-size.ts";
import { actionContext, actionRegistry, runAction, shortcutShown } from "../actions/actions.ts";
import { menusOf } from "../actions/menu-model.ts";
import { QueueIndicator } from "../features/queue/QueueIndicator.tsx";
import { useFormats } from "../i18n/index.ts";
import { useLatest } from "../rpc/stream.ts";
import { machine } from "../rpc/streams.ts";
import { Badge } from "../ui/Badge.tsx";
import { classes } from "../ui/classes.ts";
import { Menubar } from "../ui/Menu.tsx";
import type { MenuEntry } from "../ui/menu-entries.ts";
import { MENU_LAYER } from "../ui/menu-layer.ts";
import { Tooltip } from "../ui/Tooltip.tsx";
import styles from "./AppBar.module.css";
import { useInfo } from "./info.ts";
import { useRoute } from "./navigation.ts";
import { hashOfRoute, type Route } from "./routes.ts";
import { shell } from "./shell.ts";

const PLACES = [
  { page: "home", icon: House },
  { page: "queue", icon: ListVideo },
  { page: "setup", icon: Wrench },
  { page: "settings", icon: SettingsIcon },
] as const;

/** The top bar of every screen: menus in a browser, the places, and what the machine does. */
export function AppBar() {
  const { t } = useTranslation();
  const { page } = useRoute();
  return (
    <header className={classes(styles.bar, page === "studio" && styles.crowded)}>
      <span className={styles.logo} aria-hidden="true">
        <img src="./icon.svg" alt="" width={20} height={20} />
      </span>
      {shell === null && <PageMenuBar />}
      <nav className={styles.places} aria-label={t("app.places")}>
        {PLACES.map((place) => (
          <a key={place.page} href={hashOfRoute(place satisfies Route)} className={classes(styles.place, page === place.page && styles.current)} aria-current={page === place.page ? "page" : undefined}>
            <place.icon size={15} aria-hidden="true" />
            <span className={styles.placeName}>{t(`app.place.${place.page}`)}</span>
          </a>
        ))}
      </nav>
      <span className={styles.space} />
      <DemoBadge />
      <QueueIndicator />
      <GpuLine />
      <div id={MENU_LAYER} />
    </header>
  );
}

/** The action registry as a menu bar in the page; the desktop shell has the system's own. */
function PageMenuBar() {
  const { t } = useTranslation();
  const actions = useStore(actionRegistry.store, (state) => state.actions);
  const menus = useMemo(
    () =>
      menusOf(actions).map((menu) => ({
        id: menu.category,
        label: t(`actions.category.${menu.category}`),
        entries: (): readonly MenuEntry[] => {
          const context = actionContext();
          return menu.actions.flatMap((action, index): MenuEntry[] => {
            const entry: MenuEntry = {
              kind: "item",
              id: action.id,
              label: t(action.labelKey),
              shortcut: shortcutShown(action),
              disabled: !action.enabled(context),
              checked: action.checked?.(context),
              onSelect: () => runAction(action),
            };
            return action.startsGroup === true && index > 0 ? [{ kind: "separator", id: `${action.id}-line` }, entry] : [entry];
          });
        },
      })),
    [actions, t],
  );
  return <Menubar label={t("actions.menuBar")} menus={menus} />;
}

/** The model at hand draws cartoons: said calmly, everywhere, so that nobody is surprised by the result. */
function DemoBadge() {
  const { t } = useTranslation();
  if (useInfo()?.demoModelOnly !== true) return null;
  return (
    <Tooltip text={t("app.demoHint")}>
      <a href={hashOfRoute({ page: "setup" })} className={styles.badgeLink}>
        <Badge tone="accent">{t("app.demo")}</Badge>
      </a>
    </Tooltip>
  );
}

/** What the cards, or without one the processor, do right now. */
function GpuLine() {
  const { t } = useTranslation();
  const formats = useFormats();
  const report = useLatest(machine);
  if (report === null) return null;
  const [gpu] = report.gpus;
  const text =
    gpu === undefined
      ? t("app.processorLine", { load: report.processor.load === null ? "–" : formats.percent(report.processor.load), free: formats.bytes(report.memory.availableBytes) })
      : [
          report.gpus.length > 1 ? t("app.gpus", { count: report.gpus.length }) : shortName(gpu.name),
          gpu.utilisation === null ? null : formats.percent(gpu.utilisation / 100),
          gpu.memoryTotalBytes === null || gpu.memoryFreeBytes === null ? null : `${formats.number((gpu.memoryTotalBytes - gpu.memoryFreeBytes) / GIGABYTE)}/${formats.bytes(gpu.memoryTotalBytes)}`,
        ]
          .filter((part) => part !== null)
          .join(" · ");
  return (
    <Tooltip text={gpu === undefined ? t("app.noGpu") : report.gpus.map((one) => one.name).join(", ")}>
      <a href={hashOfRoute({ page: "setup" })} className={styles.gpu}>
        <Cpu size={15} aria-hidden="true" />
        {text}
      </a>
    </Tooltip>
  );
}

const shortName = (name: string): string => name.replace(/^NVIDIA (GeForce )?/, "");
