import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPlacer, runSealTask } from "../../../src/pool/worker-side.ts";
import { createTarSink } from "../../../src/sink/tar/tar-sink.ts";
import { extractTar } from "../../support/extract-tar.ts";
import { readDirectory } from "../../support/read-directory.ts";
import { sinkContract, type SinkUnderTest } from "../../support/sink-contract.ts";

/** Read by GNU tar, which puts it on the disk for a look. */
function tarSink(): SinkUnderTest {
  const place = mkdtempSync(join(tmpdir(), "rootlift-tar-"));
  const staging = join(place, "staging");
  mkdirSync(staging);
  const rootfsPath = join(staging, "rootfs.tar");
  return {
    sink: createTarSink({ rootfsPath }),
    createPlacer,
    runTask: runSealTask,
    read: () => {
      const extracted = join(place, "extracted");
      extractTar(rootfsPath, extracted);
      return readDirectory(extracted);
    },
    staged: () => readdirSync(staging),
    cleanUp: () => execFileSync("rm", ["-rf", "--", place]),
  };
}

sinkContract("tar", tarSink);
