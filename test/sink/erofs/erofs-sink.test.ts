import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPlacer, runSealTask } from "../../../src/pool/worker-side.ts";
import { createErofsSink } from "../../../src/sink/erofs/erofs-sink.ts";
import { checkErofs } from "../../support/erofs-check.ts";
import { withMounted } from "../../support/loop-mount.ts";
import { readDirectory } from "../../support/read-directory.ts";
import { sinkContract, type SinkUnderTest } from "../../support/sink-contract.ts";

function erofsSink(): SinkUnderTest {
  const staging = mkdtempSync(join(tmpdir(), "rootlift-sink-"));
  const imagePath = join(staging, "rootfs.erofs");
  return {
    sink: createErofsSink({ imagePath }),
    createPlacer,
    runTask: runSealTask,
    read: async () => {
      await checkErofs(imagePath);
      return withMounted(imagePath, "erofs", (rootPath) => readDirectory(rootPath));
    },
    leavesHolesOut: true,
    staged: () => readdirSync(staging),
    cleanUp: () => rmSync(staging, { recursive: true }),
  };
}

sinkContract("erofs", erofsSink);
