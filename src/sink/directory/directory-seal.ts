import { rmdirSync } from "node:fs";
import { throwIfCancelled } from "../../errors.ts";
import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import { ioError } from "../io-error.ts";
import type { SealContext, SealedRootfs } from "../sink.ts";
import type { FileSystemTraits } from "./file-system-traits.ts";
import { omissionLines } from "../omissions.ts";
import { planSeal, type SealPlan } from "./seal-plan.ts";
import type { DirectorySealResult, SealStep, SealWork } from "./seal-steps.ts";

/*
 * How a tree comes onto the disk. Bodies lie under numbers already, with owner, mode and times.
 *
 * 1. directories   those that several tasks work in, with mode 0700
 * 2. names         all others, in runs of the tree, side by side: bodies move to their names, the rest is made; a directory
 *                  gets its xattrs, mode and times when the run leaves it
 * 3. hard links    further names; meanwhile what no name claimed of the bodies is removed
 * 4. attributes    of the directories of 1 and 3, children first, the root last: until then nobody else can look in
 * 5. sync          the whole file system, once
 *
 * Whatever fails, the staging place holds nothing but what `abort` removes.
 */

export interface SealRequest {
  readonly rootfsPath: string;
  readonly bodiesPath: string;
  readonly sameOwner: boolean;
  readonly traits: FileSystemTraits;
  /** How many placer plans there were. */
  readonly plans: number;
}

export async function sealDirectory(
  request: SealRequest,
  tree: RootfsTree,
  context: SealContext,
): Promise<SealedRootfs> {
  const plan = planSeal(tree);
  const cancelled = new Int32Array(new SharedArrayBuffer(4));
  const cancel = (): void => {
    Atomics.store(cancelled, 0, 1);
  };
  const { rootfsPath, bodiesPath, sameOwner, traits } = request;
  const { roles } = plan;
  const work = { rootfsPath, bodiesPath, sameOwner, traits, tree, roles, cancelled };
  context.signal.addEventListener("abort", cancel, { once: true });
  try {
    const results = await runPhases(phasesOf(plan, request.plans), work, context);
    removeEmptied(bodiesPath);
    if (context.fsync) await runPhase([{ type: "sync" }], work, context);
    return {
      sizeBytes: tree.contentBytes,
      usedBytes: results.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
      entries: tree.entries,
      omissions: omissionLines(results),
    };
  } finally {
    context.signal.removeEventListener("abort", cancel);
  }
}

function phasesOf(plan: SealPlan, plans: number): readonly (readonly SealStep[])[] {
  return [
    [{ type: "directories", names: plan.earlyDirectories }],
    plan.runs.map(({ firstName, count }) => ({ type: "names", firstName, count })),
    [
      ...plan.hardLinks.map((pairs): SealStep => ({ type: "hard-links", pairs })),
      ...Array.from({ length: plans }, (_, number): SealStep => ({
        type: "discard",
        plan: number,
      })),
    ],
    [{ type: "attributes", names: plan.lateDirectories }],
  ];
}

async function runPhases(
  phases: readonly (readonly SealStep[])[],
  work: SealWork,
  context: SealContext,
): Promise<readonly DirectorySealResult[]> {
  const results: DirectorySealResult[] = [];
  for (const steps of phases) results.push(...(await runPhase(steps, work, context)));
  return results;
}

/** @throws ImportError the signal's reason when that is one, or ERR_CANCELLED; the first error of a task */
async function runPhase(
  steps: readonly SealStep[],
  work: SealWork,
  { signal, runTasks }: SealContext,
): Promise<readonly DirectorySealResult[]> {
  throwIfCancelled(signal);
  if (steps.length === 0) return [];
  try {
    const tasks = steps.map((step) => ({ kind: "directory" as const, task: { work, step } }));
    return (await runTasks(tasks)).map(checkedResult);
  } catch (error) {
    // The tasks stop with ERR_CANCELLED; the signal knows why.
    throwIfCancelled(signal);
    throw error;
  }
}

function removeEmptied(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    throw ioError(error, "remove the emptied staging place", path);
  }
}

function checkedResult(result: unknown): DirectorySealResult {
  if (isResult(result)) return result;
  throw new Error("a seal task answered with something else than its result");
}

function isResult(result: unknown): result is DirectorySealResult {
  return (
    typeof result === "object" &&
    result !== null &&
    "kind" in result &&
    result.kind === "directory-seal"
  );
}
