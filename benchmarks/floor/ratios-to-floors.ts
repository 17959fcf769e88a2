import type { Measurement } from "../measure/measure-script.ts";
import { median } from "../report/statistics.ts";
import { valuesOf } from "../rows.ts";

/** All runs of an import, or of a floor, of one image in one place. */
export interface FloorRow {
  readonly image: string;
  readonly place: string;
  readonly name: string;
  readonly isFloor: boolean;
  readonly runs: Measurement[];
}

/** Of each import to each floor of its image: image, place, what is divided, wall time, CPU time. */
export function ratiosToFloors(rows: readonly FloorRow[]): readonly (readonly string[])[] {
  const floors = rows.filter(({ isFloor }) => isFloor);
  return rows
    .filter(({ isFloor }) => !isFloor)
    .flatMap((ours) =>
      floors
        .filter(({ image, place }) => image === ours.image && place === ours.place)
        .map((floor) => {
          const ratio = (figure: "wallSeconds" | "cpuSeconds"): string =>
            (median(valuesOf(ours, figure)) / median(valuesOf(floor, figure))).toFixed(2);
          const [wall, cpu] = [ratio("wallSeconds"), ratio("cpuSeconds")];
          return [ours.image, ours.place, `${ours.name} ÷ ${floor.name}`, wall, cpu];
        }),
    );
}
