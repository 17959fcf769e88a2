import type { Bottleneck, TimingResource, TimingStage } from "../progress.ts";
import type { LayerStage } from "./layer-time.ts";
import { DECODE_STAGES } from "./stage-clock.ts";

const RESOURCES: ReadonlyMap<TimingStage, TimingResource> = new Map<TimingStage, TimingResource>([
  ["resolve", "network"],
  ["starved", "network"],
  ["digest", "processor"],
  ["inflate", "processor"],
  ["diffId", "processor"],
  ["walk", "processor"],
  ["merge", "processor"],
  ["place", "disk"],
  ["seal", "disk"],
  ["sync", "disk"],
  ["commit", "disk"],
]);

export interface CriticalWay {
  /** Of the layer that ended last. */
  readonly lastLayer: ReadonlyMap<LayerStage, number>;
  /** Of all layers, added up. */
  readonly allLayers: ReadonlyMap<LayerStage, number>;
  /** Of the whole; `merge` only as far as it came after the last layer. */
  readonly whole: ReadonlyMap<TimingStage, number>;
}

/**
 * The way of the layer that ended last is followed from the resolution to the commit: nothing that happened beside it made
 * the import longer. Where that layer waited for others, what these spent their time with stands in for it, in proportion:
 * all of it for a turn, the work alone for a worker, which starves on nobody's behalf.
 * Each stage belongs to a resource; the one with the most time is the bottleneck, by its longest stage.
 */
export function findBottleneck({ lastLayer, allLayers, whole }: CriticalWay): Bottleneck {
  const way = new Map<TimingStage, number>(whole);
  const add = (stage: TimingStage, ms: number): void => {
    way.set(stage, (way.get(stage) ?? 0) + ms);
  };
  const spread = (ms: number, stages: readonly LayerStage[]): void => {
    const sum = stages.reduce((total, stage) => total + (allLayers.get(stage) ?? 0), 0);
    if (sum > 0) for (const stage of stages) add(stage, (ms * (allLayers.get(stage) ?? 0)) / sum);
  };
  for (const [stage, ms] of lastLayer) if (RESOURCES.has(stage)) add(stage, ms);
  spread(lastLayer.get("turn") ?? 0, ["starved", ...DECODE_STAGES]);
  spread(lastLayer.get("queued") ?? 0, DECODE_STAGES);
  return verdict(way);
}

function verdict(way: ReadonlyMap<TimingStage, number>): Bottleneck {
  const totals: Record<TimingResource, number> = { network: 0, processor: 0, disk: 0 };
  for (const [stage, resource] of RESOURCES) totals[resource] += way.get(stage) ?? 0;
  const total = totals.network + totals.processor + totals.disk;
  const share = (ms: number): number => (total > 0 ? Math.round((ms / total) * 1000) / 1000 : 0);
  const resources = ["network", "processor", "disk"] as const;
  const resource = resources.reduce((most, next) => (totals[next] > totals[most] ? next : most));
  const stages = [...RESOURCES.keys()].filter((stage) => RESOURCES.get(stage) === resource);
  const ms = (stage: TimingStage): number => way.get(stage) ?? 0;
  const stage = stages.reduce((most, next) => (ms(next) > ms(most) ? next : most));
  const { network, processor, disk } = totals;
  return {
    resource,
    stage,
    share: share(ms(stage)),
    shares: { network: share(network), processor: share(processor), disk: share(disk) },
  };
}
