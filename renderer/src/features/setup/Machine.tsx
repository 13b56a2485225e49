import { useTranslation } from "react-i18next";
import type { Gpu, MachineReport } from "../../../../electron/contract/machine.schema.ts";
import { changeSettings, useSettings } from "../../app/preferences.ts";
import { useFormats } from "../../i18n/index.ts";
import { useStream } from "../../rpc/stream.ts";
import { machine } from "../../rpc/streams.ts";
import { Button } from "../../ui/Button.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Progress } from "../../ui/Progress.tsx";
import { Checkbox, Switch } from "../../ui/Switch.tsx";
import { RankLine } from "./RankLine.tsx";
import styles from "./Setup.module.css";

/** Cards, processor, memory and disk, measured anew while the page is open. */
export function Machine() {
  const { t } = useTranslation();
  const stream = useStream(machine);
  const report = stream.kind === "live" ? stream.value : stream.kind === "failed" ? stream.last : null;
  return (
    <section className={styles.section} aria-labelledby="machine-heading">
      <h2 id="machine-heading">{t("setup.area.machine")}</h2>
      {stream.kind === "failed" && <FaultNote fault={stream.fault} action={<Button onClick={machine.restart}>{t("common.retry")}</Button>} />}
      {report === null ? stream.kind === "waiting" && <p role="status">{t("setup.measuring")}</p> : <Report report={report} />}
    </section>
  );
}

/** As their makers write them. */
const PLATFORMS: Readonly<Record<string, string>> = { linux: "Linux", darwin: "macOS", win32: "Windows" };

function Report({ report }: { readonly report: MachineReport }) {
  const { t } = useTranslation();
  const formats = useFormats();
  // On the processor, and on cards that the driver's tool does not list.
  const elsewhere = report.ranks.filter((rank) => !report.gpus.some((gpu) => gpu.uuid === rank.uuid));
  const facts = [
    [t("setup.processor"), [report.processor.name, t("setup.cores", { cores: report.processor.cores, threads: report.processor.threads }), report.processor.load === null ? null : t("setup.utilisation", { share: formats.percent(report.processor.load) })]],
    [t("setup.memory"), [t("setup.freeOf", { free: formats.bytes(report.memory.availableBytes), total: formats.bytes(report.memory.totalBytes) })]],
    [t("setup.disk"), [t("setup.freeOf", { free: formats.bytes(report.disk.freeBytes), total: formats.bytes(report.disk.totalBytes) }), report.disk.path]],
    [t("setup.system"), [`${PLATFORMS[report.system.platform] ?? report.system.platform} ${report.system.release}`, report.system.hostname]],
    [t("setup.torch"), report.torch === null ? [t("setup.torchUnknown")] : [`PyTorch ${report.torch.version}`, report.torch.cudaVersion === null ? t("setup.noCuda") : `CUDA ${report.torch.cudaVersion}`, ...report.torch.devices.map((device) => device.name)]],
    ...(report.otherGraphics.length > 0 ? [[t("setup.otherGraphics"), report.otherGraphics] as const] : []),
  ] as const;
  return (
    <>
      {report.gpuSource.kind === "driver-trouble" && <FaultNote fault={report.gpuSource.fault} />}
      {report.gpus.length > 0 ? (
        <Gpus gpus={report.gpus} ranks={report.ranks} />
      ) : (
        report.gpuSource.kind === "none" && (
          <div className={styles.box}>
            <EmptyState title={t("setup.noGpu")} text={t("setup.noGpuText")} />
          </div>
        )
      )}
      {elsewhere.length > 0 && (
        <ul className={styles.list} aria-label={t("setup.rank.title")}>
          {elsewhere.map((rank) => (
            <li key={rank.rank}>
              <strong>{rank.device === "cpu" ? t("setup.rank.onProcessor", { name: report.processor.name }) : rank.device}</strong>
              <RankLine rank={rank} several={report.ranks.length > 1} />
            </li>
          ))}
        </ul>
      )}
      <dl className={`${styles.box ?? ""} ${styles.facts ?? ""}`}>
        {facts.map(([name, values]) => (
          <div key={name}>
            <dt>{name}</dt>
            {values
              .filter((value) => value !== null)
              .map((value, index) => (
                // Two cards may have one name.
                <dd key={index} className="selectable">
                  {value}
                </dd>
              ))}
          </div>
        ))}
      </dl>
    </>
  );
}

/** The cards, with a tick each for those that are used, and whether they share the work. */
function Gpus({ gpus, ranks }: { readonly gpus: readonly Gpu[]; readonly ranks: MachineReport["ranks"] }) {
  const { t } = useTranslation();
  const settings = useSettings();
  const chosen = settings?.gpus ?? null;
  const uses = (gpu: Gpu) => chosen === null || chosen.includes(gpu.uuid);
  const toggle = (gpu: Gpu, use: boolean) => {
    const next = gpus.filter((one) => (one.uuid === gpu.uuid ? use : uses(one))).map((one) => one.uuid);
    // No card at all would mean rendering on the processor by accident.
    if (next.length > 0) void changeSettings({ gpus: next.length === gpus.length ? null : next });
  };
  // Two cards may have one name.
  const label = (gpu: Gpu) => `${String(gpu.index)}: ${gpu.name}`;
  const used = gpus.filter(uses);
  const onlyOne = used.length === 1;
  const share = settings?.shareCards ?? false;
  return (
    <>
      <ul className={styles.list}>
        {gpus.map((gpu) => (
          <li key={gpu.uuid} className={styles.gpu}>
            <div className={styles.gpuBody}>
              <Checkbox label={label(gpu)} checked={uses(gpu)} disabled={settings === null || (uses(gpu) && onlyOne)} onChange={(use) => toggle(gpu, use)} />
              <GpuFacts gpu={gpu} />
              {ranks
                .filter((rank) => rank.uuid === gpu.uuid)
                .map((rank) => (
                  <RankLine key={rank.rank} rank={rank} several={ranks.length > 1} />
                ))}
            </div>
          </li>
        ))}
      </ul>
      {used.length > 1 && (
        <div className={styles.box}>
          <Switch label={t("setup.shareCards")} hint={t(share ? "setup.shareCardsOn" : "setup.shareCardsOff", { name: used[0] === undefined ? "" : label(used[0]), count: used.length })} checked={share} disabled={settings === null} onChange={(shareCards) => void changeSettings({ shareCards })} />
        </div>
      )}
    </>
  );
}

function GpuFacts({ gpu }: { readonly gpu: Gpu }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const { memoryTotalBytes: total, memoryFreeBytes: free } = gpu;
  const facts = [
    total === null ? t("setup.memoryUnknown") : free === null ? formats.bytes(total) : t("setup.usedOf", { used: formats.bytes(total - free), total: formats.bytes(total) }),
    gpu.utilisation === null ? null : t("setup.utilisation", { share: formats.percent(gpu.utilisation / 100) }),
    gpu.temperature === null ? null : `${formats.number(gpu.temperature)} °C`,
    gpu.powerWatts === null ? null : `${formats.number(gpu.powerWatts)} W`,
    gpu.computeCapability === null ? null : t("setup.capability", { version: gpu.computeCapability }),
    gpu.driver === null ? null : t("setup.driver", { version: gpu.driver }),
    gpu.pciBus === null ? null : `PCI ${gpu.pciBus}`,
    gpu.uuid,
  ];
  return (
    <>
      {total !== null && free !== null && <Progress className={styles.meter} label={t("setup.memoryOf", { name: gpu.name })} share={(total - free) / total} />}
      <p className={`${styles.gpuFacts ?? ""} selectable`}>
        {facts
          .filter((fact) => fact !== null)
          .map((fact) => (
            <span key={fact}>{fact}</span>
          ))}
      </p>
    </>
  );
}
