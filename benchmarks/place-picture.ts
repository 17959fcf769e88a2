import { barChart, type Bar, type Panel } from "./report/bar-chart.ts";
import { median } from "./report/statistics.ts";
import { goodRuns, valuesOf, type Row } from "./rows.ts";

interface Figure {
  readonly title: string;
  readonly figure: Parameters<typeof valuesOf>[1];
  readonly unit: number;
  readonly digits: number;
}

const FIGURES: readonly Figure[] = [
  { title: "wall time, s", figure: "wallSeconds", unit: 1, digits: 1 },
  { title: "CPU time, s", figure: "cpuSeconds", unit: 1, digits: 1 },
  { title: "peak RSS of all processes, MiB", figure: "peakRssBytes", unit: 2 ** 20, digits: 0 },
];
const WRITTEN: Figure = { title: "written, MiB", figure: "writtenBytes", unit: 2 ** 20, digits: 0 };
const STORED: Figure = {
  title: "written to the disk, MiB",
  figure: "storageBytes",
  unit: 2 ** 20,
  digits: 0,
};

/** Bars of all that ran in one place. */
export function placePicture(reference: string, place: string, rows: readonly Row[]): string {
  const here = rows.filter((row) => row.place === place && goodRuns(row).length > 0);
  const runs = Math.max(0, ...here.map((row) => goodRuns(row).length));
  const figures = [...FIGURES, place === "disk" ? STORED : WRITTEN];
  const panels = figures.map(({ title, figure, unit, digits }): Panel => {
    const bars = here.map((row): Bar => {
      const values = valuesOf(row, figure).map((value) => value / unit);
      return {
        label: row.name,
        value: median(values),
        low: Math.min(...values),
        high: Math.max(...values),
        isOurs: row.isOurs,
      };
    });
    return { title, digits, bars };
  });
  const name = reference.split("/").slice(1).join("/");
  const note = `Median of ${runs} runs each, alternating, cold storage; the line is the spread. Shorter is better.`;
  return barChart(`${name}, registry on loopback, ${place}`, note, panels);
}
