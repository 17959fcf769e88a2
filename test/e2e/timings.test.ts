import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestText } from "../support/digest-text.ts";
import { directoryEntry, fileEntry, makeLayer } from "../support/make-layer.ts";
import type { Ended } from "../support/running-process.ts";
import { runSource } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";
import type { TestLayer } from "../support/test-registry/test-image.ts";
import { startTestRegistry, type TestRegistry } from "../support/test-registry/test-registry.ts";

let registry: TestRegistry;
let base: TestLayer;
let upper: TestLayer;
let reference: string;

beforeAll(async () => {
  registry = await startTestRegistry();
  const noise = Array.from({ length: 200_000 }, (_, n) => (n * 2_654_435_761) % 2 ** 32).join(" ");
  base = await makeLayer([directoryEntry("srv"), fileEntry("srv/noise", noise)]);
  upper = await makeLayer([fileEntry("srv/note", "note\n")], "zstd");
  await registry.addImage("team/app", "1", { layers: [base, upper] });
  reference = `${registry.host}/team/app:1`;
});
afterAll(() => registry.close());

/** `tl sbx image …` in a home of its own, where its store would be too. */
async function tl(home: string, ...args: readonly string[]): Promise<Ended> {
  return runSource(["sbx", "image", ...args], { HOME: home, XDG_DATA_HOME: "" });
}

interface Slice {
  readonly ph: string;
  readonly name: string;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
}

function slicesOf(path: string): readonly Slice[] {
  const { traceEvents }: { traceEvents: Slice[] } = JSON.parse(readFileSync(path, "utf8"));
  return traceEvents.filter(({ ph }) => ph === "X");
}

test("import --timings prints a table on stderr and nothing on stdout, --trace writes every stage", async () => {
  const home = scratchDirectory();
  const trace = join(home, "trace.json");
  const run = await tl(home, "import", reference, "--timings", "--trace", trace, "--quiet");
  expect(run).toMatchObject({ exitCode: 0, stdout: "" });
  for (const stage of ["inflate", "hash uncompressed", "place files", "seal", "sync", "commit"]) {
    expect(run.stderr).toContain(`┆ ${stage} `);
  }
  expect(run.stderr).toMatch(/\nBottleneck: (network|processor|disk) \(.*\)\nNetwork \d+%, /);

  const slices = slicesOf(trace);
  const names = new Set(slices.map(({ name }) => name));
  for (const name of ["resolve", "pull", "fetch", "digest", "inflate", "walk", "merge", "seal"]) {
    expect(names).toContain(name);
  }
  const pull = slices.find(({ name }) => name === "pull");
  const merge = slices.find(({ name }) => name === "merge");
  if (pull === undefined || merge === undefined) throw new Error("a pull with a merge in it");
  expect(merge.tid).toBe(pull.tid);
  expect(merge.ts + merge.dur).toBeLessThanOrEqual(pull.ts + pull.dur + 0.01);
});

test("with --json the record has the timings", async () => {
  const run = await tl(scratchDirectory(), "import", reference, "--timings", "--json", "--quiet");
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  const { name, timings }: { name: string; timings: Record<string, unknown> } = JSON.parse(
    run.stdout,
  );
  expect(name).toBe("app");
  expect(timings).toMatchObject({
    sizeBytes: base.bytes.length + upper.bytes.length,
    entries: 3,
    layers: [{ layer: 0, digest: digestText(base.bytes) }, { layer: 1 }],
    bottleneck: { share: expect.any(Number) },
  });
});

test("bench prints its figures on stdout, pulls as often as it is told, and leaves nothing anywhere", async () => {
  const home = scratchDirectory();
  const digest = digestText(base.bytes);
  const before = registry.requests.length;
  const run = await tl(home, "bench", reference, "--runs", "2", "--quiet");
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  expect(run.stdout).toContain("team/app:1 (linux/amd64), run 2 of 2: ");
  expect(run.stdout.match(/\nBottleneck: /g)).toHaveLength(2);
  expect(run.stdout).not.toContain("┆ seal ");
  const pulls = registry.requests.slice(before).filter(({ path }) => path.endsWith(digest));
  expect(pulls).toHaveLength(2);
  expect(readdirSync(home)).toEqual([]);
});

test("bench --json gives figures with their units", async () => {
  const home = scratchDirectory();
  const run = await tl(home, "bench", reference, "--json", "--quiet");
  const { totalBytes, runs }: { totalBytes: number; runs: Record<string, unknown>[] } = JSON.parse(
    run.stdout,
  );
  expect(totalBytes).toBe(base.bytes.length + upper.bytes.length);
  expect(runs).toEqual([
    expect.objectContaining({ durationMs: expect.any(Number), sizeBytes: totalBytes, entries: 3 }),
  ]);
});

test("a layer that does not have its digest fails a benchmark as it fails an import, with a trace all the same", async () => {
  const home = scratchDirectory();
  const trace = join(home, "trace.json");
  const digest = digestText(base.bytes);
  registry.faults.add({ on: "blob", digest, kind: "flip", atByte: 5000 });
  try {
    const bench = await tl(home, "bench", reference, "--quiet", "--trace", trace);
    const imported = await tl(home, "import", reference, "--quiet");
    expect(bench).toMatchObject({ exitCode: 1, stdout: "" });
    expect(bench.stderr).toContain("[ERR_DIGEST_MISMATCH]");
    expect(bench.stderr).toBe(imported.stderr);
  } finally {
    registry.faults.clear();
  }
  // It was fetched once more.
  const attempts = slicesOf(trace).filter(({ name, tid }) => name === "layer 1" && tid >= 10_000);
  expect(attempts).toHaveLength(2);
});

test.each([["--timings"], ["--trace=t.json"]])("%s asks for a pull", async (option) => {
  const home = scratchDirectory();
  const run = await tl(home, "import", reference, "--dry-run", option);
  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain("is about a pull, and --dry-run is none");
  expect(existsSync("t.json")).toBe(false);
});
