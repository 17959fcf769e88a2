import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { checkStore, deleteSandboxImage, type ImageFormat } from "../../../src/index.ts";
import { storeListing } from "../store-listing.ts";
import { namesIn, runImport, type ImportPlace, type Ran } from "./chaos-import.ts";
import { makeChaosImages, type ChaosImage } from "./chaos-images.ts";
import {
  prepareGround,
  startChaosOrigin,
  type ChaosGround,
  type ChaosOrigin,
} from "./chaos-origin.ts";
import { describePlan, planImport, type ChaosPlan, type PlanSettings } from "./chaos-plan.ts";
import { ChaosTally } from "./chaos-tally.ts";
import { problemsOf } from "./judge-import.ts";

export interface ChaosOptions {
  readonly seed: number;
  /** No import begins later; default: as long as it takes. */
  readonly minutes?: number;
  readonly imports: number;
  /** Of the first import. */
  readonly firstNumber?: number;
  /** Stores that are used side by side; each has one to three imports at a time. */
  readonly lanes?: number;
  readonly formats?: readonly ImageFormat[];
  readonly onFinding?: (finding: Finding) => void;
}

export interface Finding {
  readonly number: number;
  readonly what: string;
  readonly plan: string;
  /** What was told, for those who look into it. */
  readonly events: readonly string[];
}

interface Run {
  readonly options: ChaosOptions;
  readonly settings: PlanSettings;
  readonly ground: ChaosGround;
  readonly tally: ChaosTally;
  readonly expected: ReadonlyMap<string, string>;
  readonly findings: Finding[];
}

const FORMATS: readonly ImageFormat[] = ["dir", "ext4", "erofs", "tar"];
const LANES = 12;
const MOST_AT_ONCE = 3;

/** Imports beside each other, each from a registry of its own with which things go wrong as planned. */
export async function runChaos(
  options: ChaosOptions,
): Promise<{ readonly tally: ChaosTally; readonly findings: readonly Finding[] }> {
  const work = mkdtempSync(join(tmpdir(), "rootlift-chaos-"));
  const findings: Finding[] = [];
  const onEscaped = (error: unknown): void => {
    findings.push({
      number: -1,
      what: `an error escaped: ${inspect(error)}`,
      plan: "",
      events: [],
    });
    options.onFinding?.(findings.at(-1) ?? { number: -1, what: "", plan: "", events: [] });
  };
  const authorities = getCACertificates("default");
  process.on("uncaughtException", onEscaped);
  process.on("unhandledRejection", onEscaped);
  try {
    const { content, images } = await makeChaosImages();
    const ground = prepareGround(content, work);
    // Node's own list takes longer to parse than an import takes.
    setDefaultCACertificates([ground.certificate.certificatePem]);
    const { seed, formats = FORMATS } = options;
    const run: Run = {
      options,
      settings: { seed, images, formats },
      ground,
      tally: new ChaosTally(),
      expected: new Map(),
      findings,
    };
    const expected = await cleanDigests(run, images, join(work, "clean"));
    await runLanes({ ...run, expected }, work);
    return { tally: run.tally, findings };
  } finally {
    setDefaultCACertificates(authorities);
    process.off("uncaughtException", onEscaped);
    process.off("unhandledRejection", onEscaped);
    rmSync(work, { recursive: true, force: true });
  }
}

function keyOf({ image, format }: Pick<ChaosPlan, "image" | "format">): string {
  return `${image.digest} ${image.platform} ${format}`;
}

/** What every image is in every format when nothing goes wrong. */
async function cleanDigests(
  run: Run,
  images: readonly ChaosImage[],
  work: string,
): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  const clean: ChaosPlan = {
    ...planImport(0, run.settings),
    weather: "clean",
    faults: [],
    byDigest: false,
    hasOutput: false,
    hasMirror: false,
    blobCache: false,
    auth: { mode: "none" },
    redirectBlobs: false,
    linkUses: undefined,
    bytesPerSecond: undefined,
  };
  const one = async (image: ChaosImage, format: ImageFormat): Promise<void> => {
    const plan = { ...clean, image, format };
    const name = keyOf(plan);
    const origin = await startChaosOrigin(plan, run.ground);
    const place = { home: join(work, "store"), name, outputFolder: join(work, "out") };
    const { outcome } = await runImport(plan, origin, place);
    await origin.close();
    if (outcome.kind !== "done") throw new Error(`a clean import failed: ${inspect(outcome)}`);
    digests.set(name, outcome.digest);
  };
  for (const format of run.settings.formats) {
    await Promise.all(images.map((image) => one(image, format)));
  }
  return digests;
}

async function runLanes(run: Run, work: string): Promise<void> {
  const { imports, firstNumber = 0, minutes, lanes = LANES } = run.options;
  const endMs = performance.now() + (minutes ?? Infinity) * 60_000;
  let next = firstNumber;
  const take = (): readonly number[] => {
    if (performance.now() >= endMs) return [];
    const count = Math.min(1 + (next % MOST_AT_ONCE), firstNumber + imports - next);
    const taken = Array.from({ length: Math.max(0, count) }, (_, at) => next + at);
    next += taken.length;
    return taken;
  };
  const lane = async (_: unknown, index: number): Promise<void> => {
    const home = join(work, `store-${index}`);
    for (;;) {
      const numbers = take();
      if (numbers.length === 0) return;
      await Promise.all(numbers.map((number) => oneImport(run, number, { work, home })));
      await checkAtRest(run, numbers, home);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function oneImport(
  run: Run,
  number: number,
  { work, home }: { readonly work: string; readonly home: string },
): Promise<void> {
  const plan = planImport(number, run.settings);
  const outputFolder = join(work, `out-${number}`);
  mkdirSync(outputFolder);
  const place = { home, name: `import-${number}`, outputFolder };
  const origin = await startChaosOrigin(plan, run.ground);
  try {
    const ran = await runImport(plan, origin, place);
    const met = origin.met();
    const expected = run.expected.get(keyOf(plan)) ?? "";
    const problems = [...problemsOf(plan, ran, { expected, met })];
    run.tally.count(plan, ran, met);
    if (ran.outcome.kind !== "done") {
      problems.push(...leftBehind(outputFolder));
      problems.push(...(await cleanRetry(plan, origin, { place, expected })));
    }
    problems.push(...(await violationsOf(origin)));
    problems.push(...(await removeImage(place)));
    for (const what of problems) report(run, { plan, what, ran });
  } catch (error) {
    report(run, { plan, what: `the run itself failed: ${inspect(error)}` });
  } finally {
    await origin.close();
    rmSync(outputFolder, { recursive: true, force: true });
  }
}

function leftBehind(outputFolder: string): readonly string[] {
  const names = namesIn(outputFolder);
  return names.length === 0 ? [] : [`it failed, and left ${names.join(", ")} beside its output`];
}

/** In the same store, under the same name, when everything is as it should be again. */
async function cleanRetry(
  plan: ChaosPlan,
  origin: ChaosOrigin,
  { place, expected }: { readonly place: ImportPlace; readonly expected: string },
): Promise<readonly string[]> {
  await origin.calm();
  const { outcome } = await runImport(plan, origin, place);
  if (outcome.kind !== "done") return [`a clean retry failed: ${inspect(outcome)}`];
  return outcome.digest === expected ? [] : ["a clean retry gave wrong bytes"];
}

const GIVEN_UP_MS = 3000;

async function violationsOf(origin: ChaosOrigin): Promise<readonly string[]> {
  const endMs = performance.now() + GIVEN_UP_MS;
  while (origin.openAnswers() > 0 && performance.now() < endMs) await sleep(10);
  const open = origin.openAnswers();
  const left = open === 0 ? [] : [`${open} answers were still being read after the import`];
  return [...left, ...origin.violations().map((what) => `a violation: ${what}`)];
}

async function removeImage({ home, name }: ImportPlace): Promise<readonly string[]> {
  try {
    await deleteSandboxImage(name, { home });
    return [];
  } catch (error) {
    return [`its image cannot be deleted: ${inspect(error)}`];
  }
}

/** All imports of the store have ended, and their images are deleted: nothing may be left but blobs. */
async function checkAtRest(run: Run, numbers: readonly number[], home: string): Promise<void> {
  const { sound, problems } = await checkStore({ home });
  const { snapshots, ingests, other } = storeListing(home);
  const incoming = namesIn(join(home, "blobs/incoming"));
  const left = [...snapshots, ...ingests, ...other.filter((name) => name !== "blobs"), ...incoming];
  const found = [
    ...(sound ? [] : [`the store is not sound: ${inspect(problems)}`]),
    ...(left.length === 0 ? [] : [`the store keeps ${left.join(", ")}`]),
  ];
  for (const what of found) {
    for (const number of numbers) {
      report(run, {
        plan: planImport(number, run.settings),
        what: `${what} (one of ${numbers.join(", ")})`,
      });
    }
  }
}

function report(
  { options, findings }: Run,
  { plan, what, ran }: { readonly plan: ChaosPlan; readonly what: string; readonly ran?: Ran },
): void {
  const events = (ran?.events ?? []).map((event) => JSON.stringify(event));
  const finding = { number: plan.number, what, plan: describePlan(plan), events };
  findings.push(finding);
  options.onFinding?.(finding);
}
