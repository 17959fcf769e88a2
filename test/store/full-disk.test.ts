import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseJson } from "../../src/store/record-codec.ts";
import { scratchDirectory } from "../support/scratch.ts";

/** From too small for anything to large enough, with the steps where something runs out on the way. */
const SIZES = ["64k", "76k", "100k", "1m,nr_inodes=6", "1m,nr_inodes=12", "1m"];

test(
  "on a file system of any size an import succeeds or says that the disk is full, and leaves a sound store",
  { timeout: 120_000 },
  () => {
    const mountPoint = join(scratchDirectory(), "disk");
    mkdirSync(mountPoint);
    const store = join(import.meta.dirname, "../support/store-process.ts");
    // A mount namespace of its own: the mounts end with it, and no root is needed where users may have namespaces.
    const script = `for size in "$@"; do
      mount -t tmpfs -o "size=$size" none ${mountPoint}
      "$0" ${store} import --name app --home ${mountPoint}/home || echo '{"crashed":true}'
      mount -o remount,size=4m,nr_inodes=1k ${mountPoint}
      "$0" ${store} check --home ${mountPoint}/home
      umount ${mountPoint}
    done`;
    const namespaces = process.getuid?.() === 0 ? ["--mount"] : ["--map-root-user", "--mount"];
    const run = spawnSync(
      "unshare",
      [...namespaces, "bash", "-euc", script, process.execPath, ...SIZES],
      // With a socket as its stdin, bash takes itself for a remote shell and reads /etc/bash.bashrc.
      { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" },
    );
    expect(run.stderr).toBe("");
    const lines = run.stdout.trim().split("\n").map(parseJson);
    const outcomes = SIZES.map((size, index) => [size, lines[2 * index], lines[2 * index + 1]]);
    const full = { code: "ERR_DISK_FULL" };
    expect(outcomes).toMatchObject([
      ...SIZES.slice(0, -1).map((size) => [size, full, { contents: {} }]),
      ["1m", { won: true }, { contents: { app: expect.any(String) } }],
    ]);
  },
);
