import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDirectoryPlacer } from "../../../src/sink/directory/directory-placer.ts";
import { runDirectorySealTask } from "../../../src/sink/directory/directory-seal-task.ts";
import { createDirectorySink } from "../../../src/sink/directory/directory-sink.ts";
import { readDirectory } from "../../support/read-directory.ts";
import { isRoot, sinkContract, type SinkUnderTest } from "../../support/sink-contract.ts";

function directorySink(): SinkUnderTest {
  const staging = mkdtempSync(join(tmpdir(), "rootlift-sink-"));
  const rootfsPath = join(staging, "rootfs");
  return {
    sink: createDirectorySink({ rootfsPath, sameOwner: isRoot }),
    createPlacer: createDirectoryPlacer,
    runTask: runDirectorySealTask,
    read: () => readDirectory(rootfsPath),
    staged: () => readdirSync(staging),
    cleanUp: () => rmSync(staging, { recursive: true }),
  };
}

sinkContract("directory", directorySink);
