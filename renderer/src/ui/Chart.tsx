import { useEffect, useRef } from "react";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import styles from "./Chart.module.css";

export interface ChartSeries {
  readonly label: string;
  /** Null where nothing was measured: the line has a gap there. */
  readonly values: readonly (number | null)[];
}

export interface ChartProps {
  readonly title: string;
  /** Seconds since 1970, ascending. */
  readonly times: readonly number[];
  readonly series: readonly ChartSeries[];
  readonly format: (value: number) => string;
  /** Fixed end of the value axis, such as 100 for percent. */
  readonly max?: number;
  readonly language: string;
  readonly height?: number;
}

/** Lines of one accent: the first is solid, further ones are told apart by dashes as well as shade. */
const STROKES = [
  { colour: "--focus", dash: [] },
  { colour: "--text-muted", dash: [6, 3] },
  { colour: "--ok", dash: [2, 2] },
  { colour: "--warn", dash: [8, 2, 2, 2] },
] as const;

/** Values over time. Screen readers get the title with the newest values. */
export function Chart({ title, times, series, format, max, language, height = 120 }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const data = [times, ...series.map((one) => one.values)] as unknown as UPlot.AlignedData;
  const newest = series.map((one) => {
    const value = one.values[one.values.length - 1] ?? null;
    return `${one.label}: ${value === null ? "–" : format(value)}`;
  });
  const shape = JSON.stringify([title, series.map((one) => one.label), max ?? null, language, height]);
  const latest = useRef({ data, format, series, max });
  useEffect(() => {
    latest.current = { data, format, series, max };
    plot.current?.setData(data);
  });

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const colours = getComputedStyle(document.documentElement);
    const colour = (name: string) => colours.getPropertyValue(name).trim();
    const axis = { stroke: colour("--text-muted"), grid: { stroke: colour("--border"), width: 1 }, ticks: { show: false }, font: `11px ${colour("--font")}` };
    const minutes = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
    const seconds = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    const created = new UPlot(
      {
        width: Math.max(120, element.clientWidth),
        height,
        legend: { show: false },
        cursor: { y: false, points: { size: 6 } },
        scales: { y: { range: (_plot, _low, high) => [0, latest.current.max ?? Math.max(1, high) * 1.1] } },
        axes: [
          { ...axis, size: 24, space: 90, values: (_plot, splits, _axis, _space, step) => splits.map((at) => (step < 60 ? seconds : minutes).format(new Date(at * 1000))) },
          { ...axis, size: 64, values: (_plot, splits) => splits.map((value) => latest.current.format(value)) },
        ],
        series: [
          {},
          ...latest.current.series.map((one, index) => {
            const stroke = STROKES[index % STROKES.length] ?? STROKES[0];
            return { label: one.label, stroke: colour(stroke.colour), dash: [...stroke.dash], width: 1.5, points: { show: false } };
          }),
        ],
      },
      latest.current.data,
      element,
    );
    plot.current = created;
    const observer = new ResizeObserver(() => created.setSize({ width: Math.max(120, element.clientWidth), height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      created.destroy();
      plot.current = null;
    };
  }, [shape, height, language]);

  return (
    <figure className={styles.chart}>
      <figcaption className={styles.title}>
        <span>{title}</span>
        <span className={styles.newest}>{newest.join(" · ")}</span>
      </figcaption>
      <div ref={host} role="img" aria-label={`${title}. ${newest.join(", ")}`} />
    </figure>
  );
}
