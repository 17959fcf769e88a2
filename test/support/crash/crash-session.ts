import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { importSandboxImage } from "../../../src/index.ts";
import { Random } from "../../fuzz/random.ts";
import { digestText } from "../digest-text.ts";
import { aimText, Courses, type Aim } from "./aim.ts";
import { requireCleanStore, requireNoLock } from "./check-store.ts";
import { DISK_MB, type CrashImages } from "./crash-images.ts";
import {
  namesAfter,
  newCrashStore,
  snapshotIds,
  type CrashStore,
  type Effect,
} from "./crash-store.ts";
import { damageCatalog, repairAgain } from "./damage-catalog.ts";
import { KillHistogram } from "./histogram.ts";
import { runAndKill, type KilledProcess } from "./killed-process.ts";
import { chooseOperation, importOperation, usableFormats, type Operation } from "./operations.ts";
import { repairStage, stageOf, type Stage } from "./stages.ts";
import { storeTraces, type StoreTraces } from "./store-traces.ts";

export interface CrashOptions {
  /** How many processes are to be killed. */
  readonly times: number;
  readonly seed: number;
  readonly images: CrashImages;
  /** Stop at so many findings. */
  readonly mostFindings?: number;
  readonly onProgress?: (line: string) => void;
}

export interface CrashReport {
  readonly killed: number;
  readonly findings: readonly string[];
  readonly histogram: KillHistogram;
}

/** Fewer images than this are filled up: a store that accumulates is what is wanted. */
const FEWEST_NAMES = 5;
/** Every so-manyth process meets a store that is not there yet. */
const NEW_STORE_EVERY = 40;

/**
 * Kills one process after the other on one store that lives on, and compares it with a model after each. Most of the time the
 * store is cleaned up and checked whole; now and then the next process gets what the last one left.
 */
export async function runCrashSession(options: CrashOptions): Promise<CrashReport> {
  const session = new CrashSession(options);
  return session.run();
}

class CrashSession {
  readonly #options: CrashOptions;
  readonly #histogram = new KillHistogram();
  readonly #courses = new Courses();
  readonly #findings: string[] = [];
  #store: CrashStore;
  #stores = 0;
  #lastName = "a";
  #killed = 0;

  constructor(options: CrashOptions) {
    this.#options = options;
    this.#store = this.#newStore();
  }

  async run(): Promise<CrashReport> {
    const { times, mostFindings = 5, onProgress } = this.#options;
    for (
      let number = 1;
      this.#killed < times && this.#findings.length < mostFindings;
      number += 1
    ) {
      await this.#round(number);
      if (number % 50 === 0)
        onProgress?.(`${this.#killed} killed, ${this.#findings.length} findings`);
    }
    // All that came together, once more and whole.
    await this.#attempt("the end", async () => requireCleanStore(this.#store));
    return {
      killed: this.#killed,
      findings: this.#findings,
      histogram: this.#histogram,
    };
  }

  #newStore(): CrashStore {
    this.#stores += 1;
    const place = join(this.#options.images.work, `store-${this.#stores}`);
    return newCrashStore(place);
  }

  async #round(number: number): Promise<void> {
    const random = new Random(this.#options.seed, "crash", number);
    if (number % NEW_STORE_EVERY === 0) {
      await this.#inNewStore(number, random);
      return;
    }
    await this.#attempt(`the set-up of number ${number}`, () => this.#fill(random));
    const { images } = this.#options.images;
    const choice = { store: this.#store, images, lastName: this.#lastName, number, random };
    await this.#killOne(chooseOperation(choice), number, random);
  }

  /** The first import of all, which also makes the store. */
  async #inNewStore(number: number, random: Random): Promise<void> {
    const kept = this.#store;
    const findings = this.#findings.length;
    this.#store = this.#newStore();
    const { images } = this.#options.images;
    const operation = importOperation(
      { store: this.#store, images, number, random },
      "a",
      "import",
    );
    await this.#killOne({ ...operation, kind: "first import" }, number, random);
    if (this.#findings.length > findings) return;
    rmSync(join(this.#store.home, ".."), { recursive: true });
    this.#store = kept;
  }

  async #fill(random: Random): Promise<void> {
    while (this.#store.names.size < FEWEST_NAMES) {
      await this.#import(`kept-${random.below(100)}`, random);
    }
  }

  async #killOne(operation: Operation, number: number, random: Random): Promise<void> {
    const aim = this.#courses.aim(operation.kind, operation.lines, random);
    const { args } = operation;
    const what = `number ${number}: tl ${args.join(" ")}, killed ${aimText(aim)}`;
    await this.#attempt(what, async () => this.#killAndCheck(operation, aim, random));
  }

  /** A finding ends the life of its store, which is kept to be looked at. */
  async #attempt(what: string, body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const { seed, images } = this.#options;
      const kept = `${images.work}-finding-${this.#findings.length + 1}`;
      spawnSync("cp", ["-a", "--", join(this.#store.home, ".."), kept]);
      this.#findings.push(`--seed ${seed} ${what}\n${why}\nthe store is kept: ${kept}`);
      this.#store = this.#newStore();
    }
  }

  async #killAndCheck(operation: Operation, aim: Aim, random: Random): Promise<void> {
    const { home } = this.#store;
    const { kind, args, lines, damage } = operation;
    if (damage !== undefined) {
      await this.#killRepair(operation, aim);
      return;
    }
    const before = storeTraces(home);
    const run = await runAndKill(args, { home, aim, lines });
    this.#courses.learn(kind, run, run.lines);
    const after = storeTraces(home);
    const done = this.#apply(operation, after);
    const { stderr, changes } = run;
    this.#count(operation, run, stageOf({ operation, stderr, changes, before, after, done }));
    if (!run.killed) requireEnd(operation, run, done);
    this.#lastName = operation.name;
    // What was left is for the next process to remove, and for the next kill to hit it at that.
    if (random.oneIn(4)) return;
    await this.#next(operation, random);
    await requireCleanStore(this.#store);
    await requireNoLock(this.#store, operation.name);
  }

  /** Of a catalog that is damaged, there is no before or after: the next repair has to bring everything back. */
  async #killRepair(operation: Operation, aim: Aim): Promise<void> {
    const { home } = this.#store;
    await requireCleanStore(this.#store);
    const restored = damageCatalog(this.#store, operation.damage ?? "rows");
    const run = await runAndKill(operation.args, { home, aim });
    this.#courses.learn(operation.kind, run, run.lines);
    const stage = repairStage(home, run.changes, snapshotIds(restored));
    this.#count(operation, run, stage);
    if (!run.killed) requireEnd(operation, run, stage === "exit");
    await repairAgain(this.#store);
    replaceAll(this.#store.names, restored);
    await requireCleanStore(this.#store);
  }

  #count({ kind }: Operation, { killed }: KilledProcess, stage: Stage): void {
    if (!killed) {
      this.#histogram.addEnded(kind);
      return;
    }
    this.#killed += 1;
    this.#histogram.add(kind, stage);
  }

  /** Takes over into the model what has become of the operation. @returns whether it is done */
  #apply({ effect }: Operation, after: StoreTraces): boolean {
    const store = this.#store;
    const { names, changed } = namesAfter(store, effect, after.names);
    const kept = new Set([...names.values()].map(({ snapshotId }) => snapshotId));
    const lost = [...store.names.values()].filter(({ snapshotId }) => !kept.has(snapshotId));
    replaceAll(store.names, names);
    // Outside of the store nothing is removed but by its owner.
    for (const path of new Set(lost.flatMap(({ outputPath }) => outputPath ?? []))) {
      rmSync(path, { recursive: true });
    }
    return effect.type === "export" ? applyExport(store, effect) : changed;
  }

  /** What comes after a crash: most of the time `ls`, by whoever checks. */
  async #next({ name }: Operation, random: Random): Promise<void> {
    const { home } = this.#store;
    const draw = random.below(20);
    if (draw < 2) {
      const args = draw === 0 ? ["sbx", "image", "ls"] : ["store", "gc"];
      const { exitCode, stderr } = await runAndKill(args, { home, aim: undefined });
      if (exitCode !== 0) throw new Error(`then tl ${args.join(" ")} failed: ${stderr}`);
    } else if (draw < 5) {
      await this.#import(name, random);
    }
  }

  /** Nobody may be in its way. */
  async #import(name: string, random: Random): Promise<void> {
    const { names, home } = this.#store;
    const image = random.pick(this.#options.images.images);
    const format = random.pick(usableFormats());
    const { snapshotId } = await importSandboxImage(image.layoutReference, {
      home,
      registeredName: name,
      format,
      diskMb: Number(DISK_MB),
      cpus: 1,
      fsync: false,
      replace: names.has(name),
    });
    const { outputPath } = names.get(name) ?? {};
    names.set(name, { snapshotId, image, format, importName: name });
    const inUse = [...names.values()].some((other) => other.outputPath === outputPath);
    if (outputPath !== undefined && !inUse) rmSync(outputPath, { recursive: true });
  }
}

/** An archive that is to be replaced is the old one or the new one; other outputs are there or not. */
function applyExport(
  { exports }: CrashStore,
  { path, exported }: Extract<Effect, { type: "export" }>,
): boolean {
  if (!existsSync(path)) return false;
  const replaces = exports.has(path);
  if (replaces && digestText(readFileSync(path)) !== exported.image.archiveDigest) return false;
  exports.set(path, exported);
  return true;
}

/** Left alone, an operation succeeds, or is refused as it should be. */
function requireEnd({ refusal, effect }: Operation, run: KilledProcess, done: boolean): void {
  const { exitCode, stderr } = run;
  const wanted = refusal === undefined ? 0 : 1;
  const refused = refusal === undefined || stderr.includes(`[${refusal}]`);
  if (exitCode !== wanted || !refused) {
    throw new Error(`nobody killed it, and it ended with ${exitCode}: ${stderr}`);
  }
  if (!done && effect.type !== "none") throw new Error(`it ended with 0, and did nothing`);
}

function replaceAll<K, V>(target: Map<K, V>, source: ReadonlyMap<K, V>): void {
  target.clear();
  for (const [key, value] of source) target.set(key, value);
}
