import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import { crashPoints, runToPoint, sample } from "../support/crash-points.ts";
import type { CrashPoint } from "../support/crash-points.ts";
import { fakeImport, importRequest, rootfsContent } from "../support/fake-import.ts";
import { requireSoundStore } from "../support/store-invariants.ts";

/**
 * A job runs once for every mutating system call that it makes: killed before it, or with the call failing. All of them
 * take a quarter of an hour; the suite takes a few. `ROOTLIFT_CRASH_POINTS=all npx vitest run test/store/crash-points.test.ts`
 */
const LIMIT = process.env["ROOTLIFT_CRASH_POINTS"] ?? "4";
const COUNT = LIMIT === "all" ? Infinity : Number(LIMIT);
const SEED = Number(process.env["ROOTLIFT_CRASH_SEED"] ?? 0);
const TIMEOUT = { timeout: 30_000 + Math.min(COUNT, 300) * 10_000 };

const VERDICTS = /^(ok, after|ERR_STORE_IO|ERR_DISK_FULL|ERR_OUTPUT_IO)$/;

type Contents = Readonly<Record<string, string>>;

interface Scenario {
  readonly title: string;
  /** Besides `--home`; OUTPUT stands for a path that the run has for itself. */
  readonly job: readonly string[];
  readonly before: Contents;
  readonly after: Contents;
  /** What lies where the output goes: nothing, or an empty directory. */
  readonly emptyOutput?: boolean;
}

const SCENARIOS: readonly Scenario[] = [
  {
    title: "an import that replaces an image",
    job: ["import", "--name", "app", "--replace", "--fsync", "--content", "new"],
    before: { app: "old" },
    after: { app: "new" },
  },
  {
    title: "an import to an output whose parent is missing",
    job: ["import", "--name", "next", "--content", "new", "--output", "OUTPUT/parent/rootfs"],
    before: { app: "old" },
    after: { app: "old", next: "new" },
  },
  {
    title: "an import to an output that is an empty directory",
    job: ["import", "--name", "next", "--content", "new", "--output", "OUTPUT/parent/rootfs"],
    before: { app: "old" },
    after: { app: "old", next: "new" },
    emptyOutput: true,
  },
  {
    title: "a removal",
    job: ["remove", "--name", "app"],
    before: { app: "old" },
    after: {},
  },
];

const scratch = mkdtempSync(join(tmpdir(), "rootlift-crash-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let runs = 0;

interface Run {
  readonly home: string;
  readonly output: string;
  readonly job: readonly string[];
}

async function prepare({ job, before, emptyOutput }: Scenario): Promise<Run> {
  const directory = join(scratch, String((runs += 1)));
  const [home, output] = [join(directory, "home"), join(directory, "output")];
  mkdirSync(emptyOutput === true ? join(output, "parent", "rootfs") : output, { recursive: true });
  const store = await openStore({ homePath: home, env: {} });
  for (const [name, content] of Object.entries(before)) {
    await fakeImport(store, importRequest(name, { fsync: false }), content);
  }
  store.close();
  const own = job.map((argument) => argument.replace("OUTPUT", output));
  return { home, output, job: [...own, "--home", home] };
}

/** What lies at the output, as one text. */
function outputState(output: string): string {
  const paths = readdirSync(output, { recursive: true, encoding: "utf8" }).toSorted();
  const content = paths.includes("parent/rootfs/last")
    ? rootfsContent(`${output}/parent/rootfs`)
    : "";
  return [...paths, content].join(" ");
}

function expectedOutput({ emptyOutput }: Scenario, imported: boolean): string {
  if (imported) {
    const files = ["etc", "etc/content", "last", "link"].map((name) => ` parent/rootfs/${name}`);
    return `parent parent/rootfs${files.join("")} new`;
  }
  return emptyOutput === true ? "parent parent/rootfs " : "";
}

/** After a crash: before or after, nothing between, nothing left over, and everything still works. */
async function requireBeforeOrAfter(scenario: Scenario, { home, output }: Run): Promise<boolean> {
  const store = await openStore({ homePath: home, env: {} });
  try {
    const contents = await requireSoundStore(store);
    expect([scenario.before, scenario.after]).toContainEqual(contents);
    const isAfter = "next" in contents || contents["app"] !== "old";
    expect(outputState(output)).toBe(expectedOutput(scenario, "next" in contents));
    const again = importRequest("next", { replace: true, fsync: false });
    await fakeImport(store, again, "again");
    expect(await requireSoundStore(store)).toMatchObject({ next: "again" });
    return isAfter;
  } finally {
    store.close();
  }
}

const known = new Map<Scenario, readonly CrashPoint[]>();

async function pointsOf(scenario: Scenario): Promise<readonly CrashPoint[]> {
  const points = known.get(scenario);
  if (points !== undefined) return points;
  const run = await prepare(scenario);
  const found = await crashPoints(run.job, scratch);
  expect(await requireBeforeOrAfter(scenario, run)).toBe(true);
  known.set(scenario, found);
  return found;
}

describe.each(SCENARIOS)("$title", (scenario) => {
  test(
    "killed before any system call, leaves the store as before or as after",
    TIMEOUT,
    async () => {
      const points = await pointsOf(scenario);
      expect(points.length).toBeGreaterThan(30);
      const seen = new Set<boolean>();
      for (const point of sample(points, COUNT, SEED)) {
        const run = await prepare(scenario);
        const { killed } = await runToPoint(run.job, point, "signal=KILL");
        expect({ point, killed }).toEqual({ point, killed: true });
        seen.add(await requireBeforeOrAfter(scenario, run));
      }
      expect(seen.has(false)).toBe(true);
    },
  );

  test.each(["EIO", "ENOSPC"])(
    "when any system call fails with %s, succeeds or says so, and leaves the store as before or as after",
    TIMEOUT,
    async (errno) => {
      // The count of openat depends on how Node finds its modules: it would hit one of those now and then.
      const points = (await pointsOf(scenario)).filter(({ syscall }) => syscall !== "openat");
      const chosen = sample(points, Math.ceil(COUNT / 2), SEED + (errno === "EIO" ? 0 : 7));
      for (const point of chosen) {
        const run = await prepare(scenario);
        const { outcomes, killed, stderr } = await runToPoint(run.job, point, `error=${errno}`);
        expect({ point, killed, stderr }).toEqual({ point, killed: false, stderr: "" });
        const isAfter = await requireBeforeOrAfter(scenario, run);
        const [outcome] = outcomes;
        const succeeded = outcome?.["won"] === true || outcome?.["removed"] === true;
        const verdict = succeeded ? `ok, ${isAfter ? "after" : "before"}` : outcome?.["code"];
        expect({ point, verdict }).toEqual({ point, verdict: expect.stringMatching(VERDICTS) });
      }
    },
  );
});
