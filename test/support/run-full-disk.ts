import { parseArgs } from "node:util";
import { COMMAND, FORMATS, startDiskFilling, type DiskFilling } from "./full-disk/fill-disk.ts";
import type { DiskSpec } from "./full-disk/limited-disk.ts";

/**
 * npm run test:full-disk -- [--step-kib 64] [--from-kib 256] [--format dir,ext4,erofs,tar] [--command PATH]
 *
 * Imports into file systems (ext4 through a loop device, tmpfs) of growing size, until they are large enough ten times in a row, and
 * with growing numbers of inodes: every import ends right, or with ERR_DISK_FULL that says where and how much is missing, and
 * nothing left behind. A disk that was too small grows by what was missing until the same import succeeds. A line a disk
 * that failed; last `N passed, N failed`. As root; some minutes.
 */
const ENOUGH_IN_A_ROW = 10;
const TMPFS_STEPS = 4;
const ROOMY_KIB = 1 << 16;
/** The file systems of these sizes would have fewer than the image has files. */
const EXT4_INODES = 1024;

type Sweep = (step: number) => DiskSpec;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      "step-kib": { type: "string", default: "64" },
      "from-kib": { type: "string", default: "384" },
      format: { type: "string", default: FORMATS.join(",") },
      command: { type: "string", default: COMMAND },
    },
  });
  const [stepKib, fromKib] = [Number(values["step-kib"]), Number(values["from-kib"])];
  const sweeps: readonly Sweep[] = [
    (step) => ({ kind: "ext4", sizeKib: fromKib + step * stepKib, inodes: EXT4_INODES }),
    (step) => ({ kind: "tmpfs", sizeKib: (step + 1) * stepKib * TMPFS_STEPS }),
    (step) => ({ kind: "tmpfs", sizeKib: ROOMY_KIB, inodes: 2 + 3 * step }),
    (step) => ({ kind: "ext4", sizeKib: ROOMY_KIB, inodes: 16 * (step + 1) }),
  ];
  const formats = FORMATS.filter((format) => values.format.split(",").includes(format));
  const filling = await startDiskFilling(values.command);
  const sum = { passed: 0, failed: 0 };
  try {
    for (const format of formats) {
      for (const sweep of sweeps) await fillAll(filling, { sweep, format }, sum);
    }
  } finally {
    filling.close();
  }
  process.stdout.write(`${sum.passed} passed, ${sum.failed} failed\n`);
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
}

async function fillAll(
  filling: DiskFilling,
  { sweep, format }: { readonly sweep: Sweep; readonly format: (typeof FORMATS)[number] },
  sum: { passed: number; failed: number },
): Promise<void> {
  const growths = new Map<number, number>();
  const failures = new Map<string, number>();
  let enough = 0;
  let step = 0;
  for (; enough < ENOUGH_IN_A_ROW; step += 1) {
    const spec = sweep(step);
    const filled = await filling.fill(spec, format);
    enough = filled.failure === undefined ? enough + 1 : 0;
    growths.set(filled.growths, (growths.get(filled.growths) ?? 0) + 1);
    const kind = filled.failure?.replaceAll(/\d+ (KiB|MiB|inodes|are)| at \S+|"[^"]*"/g, "…");
    failures.set(kind ?? "done", (failures.get(kind ?? "done") ?? 0) + 1);
    if (filled.problems.length === 0) {
      sum.passed += 1;
      continue;
    }
    sum.failed += 1;
    process.stdout.write(`FAIL ${format} ${JSON.stringify(spec)}: ${filled.problems.join("; ")}\n`);
  }
  const [first, last] = [sweep(0), sweep(step - 1)].map((spec) => JSON.stringify(spec));
  process.stdout.write(
    `${format}: ${step} disks, ${first} to ${last}; growths ${counts(growths)}\n`,
  );
  for (const [kind, count] of failures) process.stdout.write(`  ${count} ${kind}\n`);
}

function counts(map: ReadonlyMap<number, number>): string {
  return [...map]
    .toSorted(([one], [other]) => one - other)
    .map(([key, count]) => `${key}: ${count}`)
    .join(", ");
}

process.exitCode = await main();
