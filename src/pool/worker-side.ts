import { createBlockPlacer } from "../sink/block-placer.ts";
import { createDirectoryPlacer } from "../sink/directory/directory-placer.ts";
import { runDirectorySealTask } from "../sink/directory/directory-seal-task.ts";
import { runErofsSealTask } from "../sink/erofs/erofs-seal-task.ts";
import { runExt4SealTask } from "../sink/ext4/ext4-seal-task.ts";
import { createNullPlacer } from "../sink/null-placer.ts";
import type { BodyPlacer, PlacerPlan, SealTask } from "../sink/sink.ts";
import { createSpoolPlacer } from "../sink/tar/spool-placer.ts";
import { runTarSealTask } from "../sink/tar/tar-seal-task.ts";

/** What a worker does for a sink, of which it knows no more than a plan. */
export function createPlacer(plan: PlacerPlan): BodyPlacer {
  if (plan.kind === "directory") return createDirectoryPlacer(plan);
  if (plan.kind === "null") return createNullPlacer(plan);
  return plan.kind === "spool" ? createSpoolPlacer(plan) : createBlockPlacer(plan);
}

/** Runs one part of a seal, synchronously. @returns what the sink's `seal` awaits, plain data */
export function runSealTask(task: SealTask): unknown {
  if (task.kind === "directory") return runDirectorySealTask(task.task);
  if (task.kind === "erofs") return runErofsSealTask(task.task);
  return task.kind === "tar" ? runTarSealTask(task.task) : runExt4SealTask(task.task);
}
