import { createBlockPlacer } from "../sink/block-placer.ts";
import { createDirectoryPlacer } from "../sink/directory/directory-placer.ts";
import { runDirectorySealTask } from "../sink/directory/directory-seal-task.ts";
import type { BodyPlacer, PlacerPlan, SealTask } from "../sink/sink.ts";

/** What a worker does for a sink, of which it knows no more than a plan. */
export function createPlacer(plan: PlacerPlan): BodyPlacer {
  return plan.kind === "directory" ? createDirectoryPlacer(plan) : createBlockPlacer(plan);
}

/** Runs one part of a seal, synchronously. @returns what the sink's `seal` awaits, plain data */
export function runSealTask(task: SealTask): unknown {
  return runDirectorySealTask(task.task);
}
