import { useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import type { LoadSample } from "../../../../electron/contract/jobs.schema.ts";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { useLatest } from "../../rpc/stream.ts";
import { jobs, machine } from "../../rpc/streams.ts";
import { Chart } from "../../ui/Chart.tsx";
import { useSettings } from "../../app/preferences.ts";
import styles from "./Queue.module.css";
import { sampleOf, seriesOf, withSample } from "./load-history.ts";

/** What the work does to the machine, over the last half hour. */
export function LoadCharts() {
  const { t, i18n } = useTranslation();
  const formats = useFormats();
  const report = useLatest(machine);
  const history = useHistory();
  const series = useMemo(() => seriesOf(history), [history]);
  const theme = useSettings()?.theme;
  if (report === null) return <aside className={styles.charts} aria-label={t("queue.charts")} />;
  const nameOf = (uuid: string) => {
    const gpu = report.gpus.find((one) => one.uuid === uuid);
    // Several names would not fit beside each other, and are often the same.
    return gpu === undefined ? uuid : report.gpus.length > 1 ? `GPU ${String(gpu.index)}` : gpu.name;
  };
  const memoryTotal = Math.max(0, ...report.gpus.map((gpu) => gpu.memoryTotalBytes ?? 0));
  // A theme changes the colours, which a chart reads once.
  const common = { times: series.times, language: i18n.language, key: theme };
  return (
    <aside className={styles.charts} aria-label={t("queue.charts")}>
      <Chart {...common} key={`speed ${String(theme)}`} title={t("queue.chart.speed")} series={[{ label: t("queue.chart.speedLabel"), values: series.framesPerSecond }]} format={(value) => formats.number(value, 1)} />
      {series.gpus.length > 0 && (
        <>
          <Chart
            {...common}
            key={`use ${String(theme)}`}
            title={t("queue.chart.utilisation")}
            max={100}
            series={series.gpus.map((gpu) => ({ label: nameOf(gpu.uuid), values: gpu.utilisation }))}
            format={(value) => formats.percent(value / 100)}
          />
          <Chart
            {...common}
            key={`memory ${String(theme)}`}
            title={t("queue.chart.gpuMemory")}
            {...(memoryTotal > 0 && { max: memoryTotal })}
            series={series.gpus.map((gpu) => ({ label: nameOf(gpu.uuid), values: gpu.memoryUsedBytes }))}
            format={formats.bytes}
          />
          <Chart
            {...common}
            key={`heat ${String(theme)}`}
            title={t("queue.chart.temperature")}
            max={100}
            series={series.gpus.map((gpu) => ({ label: nameOf(gpu.uuid), values: gpu.temperature }))}
            format={(value) => `${formats.number(value)} °C`}
          />
        </>
      )}
      <Chart
        {...common}
        key={`ram ${String(theme)}`}
        title={t("queue.chart.memory")}
        max={report.memory.totalBytes}
        series={[{ label: t("queue.chart.memoryLabel"), values: series.memoryUsedBytes }]}
        format={formats.bytes}
      />
      <p>{t("queue.diskLeft", { free: formats.bytes(report.disk.freeBytes), total: formats.bytes(report.disk.totalBytes) })}</p>
    </aside>
  );
}

/** What was measured before this page was opened, and what is measured while it is. */
function useHistory(): readonly LoadSample[] {
  const [history, setHistory] = useState<readonly LoadSample[]>([]);
  useEffect(() => {
    let gone = false;
    client.hardware.loadHistory(undefined, { context: { retry: Number.POSITIVE_INFINITY } }).then(
      (earlier) => {
        if (!gone) setHistory((since) => since.reduce(withSample, earlier));
      },
      // Without what was before, the charts begin now.
      () => undefined,
    );
    const add = () => {
      const now = machine.get();
      const list = jobs.get();
      if (now.kind === "live") setHistory((before) => withSample(before, sampleOf(now.value, list.kind === "live" ? list.value : [])));
    };
    const stop = machine.subscribe(add);
    return () => {
      gone = true;
      stop();
    };
  }, []);
  return history;
}
