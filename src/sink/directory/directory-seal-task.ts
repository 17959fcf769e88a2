import { closeSync } from "node:fs";
import { ioError } from "../io-error.ts";
import { syncFileSystem } from "../posix.ts";
import { openDirectory } from "../private-directory.ts";
import { removeTree } from "../remove-tree.ts";
import { timedSync } from "../sync-time.ts";
import { planPath } from "./plan-path.ts";
import { InodeSettler } from "./inode-settler.ts";
import { TreeWriter } from "./tree-writer.ts";
import type { DirectorySealResult, DirectorySealTask, SealStep } from "./seal-steps.ts";

/**
 * Does one task of a seal, in a worker, synchronously.
 * @throws ImportError ERR_DISK_FULL, ERR_OUTPUT_IO, ERR_CANCELLED …, naming the path in the image
 */
export function runDirectorySealTask(task: DirectorySealTask): DirectorySealResult {
  const { work, step } = task;
  const settler = new InodeSettler(work);
  let rootFd: number | undefined;
  try {
    rootFd = openDirectory(work.rootfsPath);
    const writer = new TreeWriter({ work, rootFd, settler });
    try {
      runStep(step, writer, { bodiesPath: work.bodiesPath, rootFd });
    } finally {
      writer.close();
    }
    const { lines, count, ownerLines, ownerCount } = settler.omissions;
    const { usedBytes } = writer;
    return { kind: "directory-seal", usedBytes, lines, count, ownerLines, ownerCount };
  } catch (error) {
    throw ioError(error, "write the root filesystem", work.rootfsPath);
  } finally {
    if (rootFd !== undefined) closeSync(rootFd);
  }
}

function runStep(
  step: SealStep,
  writer: TreeWriter,
  place: { readonly bodiesPath: string; readonly rootFd: number },
): void {
  switch (step.type) {
    case "directories":
      writer.makeDirectories(step.names);
      break;
    case "names":
      writer.makeNames(step.firstName, step.count);
      break;
    case "hard-links":
      writer.makeHardLinks(step.pairs);
      break;
    case "attributes":
      writer.settleDirectories(step.names);
      break;
    case "discard":
      removeTree(planPath(place.bodiesPath, step.plan));
      break;
    case "sync":
      timedSync(syncFileSystem, place.rootFd);
      break;
  }
}
