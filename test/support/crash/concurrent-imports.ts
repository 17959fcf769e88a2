import { EventEmitter, once } from "node:events";
import { join } from "node:path";
import { listSandboxImages } from "../../../src/index.ts";
import { Random } from "../../fuzz/random.ts";
import { runProgram } from "../run-program.ts";
import { Courses } from "./aim.ts";
import { requireCleanStore } from "./check-store.ts";
import { DISK_MB, type CrashImage, type CrashImages } from "./crash-images.ts";
import { newCrashStore, type CrashStore, type Format } from "./crash-store.ts";
import { runAndKill } from "./killed-process.ts";
import { IMPORT_LINES, usableFormats } from "./operations.ts";

export interface ConcurrentOptions {
  /** Imports at once. */
  readonly count: number;
  /** Each of so many processes runs its share through the library; undefined: a command line for each import. */
  readonly processes?: number | undefined;
  readonly seed: number;
  readonly images: CrashImages;
}

/** Somebody who wants a name. */
interface Claim {
  readonly number: number;
  readonly name: string;
  readonly image: CrashImage;
  readonly format: Format;
  readonly cached: boolean;
  readonly replace: boolean;
}

interface Outcome {
  readonly claim: Claim;
  readonly ended: "won" | "killed" | "ERR_NAME_TAKEN";
}

/** So many want each name. */
const CLAIMANTS = 5;
const GATE_MS = 600_000;
/** What SQLite says of locks must never reach anybody. */
const LEAK = /SQLITE|database is locked|database table is locked|stayed locked|    at /i;

/**
 * Imports that begin at once, five for each name, into one new store. The registry answers nobody before all of them have asked or
 * ended, so that those who have a name really hold it at the same time.
 * @returns a line of figures
 * @throws Error unless each name has one winner, its image, and all others were told that it is taken
 */
export async function importAtOnce(options: ConcurrentOptions): Promise<string> {
  const { count, processes, seed, images } = options;
  const store = newCrashStore(join(images.work, `at-once-${seed}-${count}-${processes ?? count}`));
  const names = Math.ceil(count / CLAIMANTS);
  const claims = claimsOf(options, (number) => ({ name: `n${number % names}`, replace: false }));
  let ended = 0;
  const gate = openGate(images, (waiting) =>
    processes === undefined ? waiting + ended >= count : waiting >= names,
  );
  const startedMs = performance.now();
  const onEnd = (): void => {
    ended += 1;
  };
  const outcomes =
    processes === undefined
      ? await Promise.all(claims.map((claim) => runClaim(store, claim).finally(onEnd)))
      : await runShares(store, claims, processes);
  const reached = gate.close();
  const winners = winnersOf(outcomes);
  if (winners.size !== names) throw new Error(`${winners.size} of ${names} names have a winner`);
  await requireNames(store, winners);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const how = processes === undefined ? "command lines" : `imports in ${processes} processes`;
  return `${count} ${how} at once: ${winners.size} names, one winner each, ${count - winners.size} ERR_NAME_TAKEN; ${reached} held a name together; ${seconds} s`;
}

/** One after the other is killed while twenty others run; those must not notice. @returns a line of figures @throws Error */
export async function killAmongOthers(options: ConcurrentOptions, others = 20): Promise<string> {
  const { count, seed, images } = options;
  const store = newCrashStore(join(images.work, `among-others-${seed}`));
  const courses = new Courses();
  const random = new Random(seed, "among others");
  const rounds = Math.max(1, Math.round(count / others));
  let [killed, told] = [0, 0];
  for (let round = 1; round <= rounds; round += 1) {
    const names = Math.ceil((others + 1) / 3);
    const claims = claimsOf({ ...options, count: others + 1, seed: seed + round }, (number) => ({
      name: `n${number % names}`,
      replace: round > 1,
    }));
    const victim = random.pick(claims);
    const outcomes = await Promise.all(
      claims.map((claim) =>
        runClaim(store, claim, claim === victim ? { courses, random } : undefined),
      ),
    );
    killed += outcomes.filter(({ ended }) => ended === "killed").length;
    told += outcomes.filter(({ ended }) => ended === "ERR_NAME_TAKEN").length;
    await requireOneOf(store, outcomes);
  }
  return `${rounds} rounds of ${others + 1} imports over names of each other: ${killed} killed, ${told} ERR_NAME_TAKEN, no other noticed`;
}

function claimsOf(
  { count, seed, images }: ConcurrentOptions,
  wanted: (number: number) => Pick<Claim, "name" | "replace">,
): readonly Claim[] {
  return Array.from({ length: count }, (_, number) => {
    const random = new Random(seed, "claim", number);
    const image = random.pick(images.images);
    const format = random.pick(usableFormats());
    return { number, image, format, cached: random.oneIn(2), ...wanted(number) };
  });
}

async function runClaim(
  { home }: CrashStore,
  claim: Claim,
  victim?: { readonly courses: Courses; readonly random: Random },
): Promise<Outcome> {
  const { image, name, format, cached, replace } = claim;
  const lines = Object.values(IMPORT_LINES);
  const aim = victim?.courses.aim("import", lines, victim.random);
  const args = [
    "sbx",
    "image",
    "import",
    image.registryReference,
    `--registered-name=${name}`,
    `--format=${format}`,
    `--disk_mb=${DISK_MB}`,
    "--cpus=1",
    "--verbose",
    // So small that many want the same room.
    ...(cached ? ["--blob-cache", "300K"] : []),
    ...(replace ? ["--replace"] : []),
  ];
  const run = await runAndKill(args, { home, aim, lines });
  victim?.courses.learn("import", run, run.lines);
  if (run.killed) return { claim, ended: "killed" };
  return outcomeOf(claim, run.exitCode === 0 ? "won" : run.stderr);
}

async function runShares(
  { home }: CrashStore,
  claims: readonly Claim[],
  processes: number,
): Promise<readonly Outcome[]> {
  const script = join(import.meta.dirname, "import-process.ts");
  const shares = Array.from({ length: processes }, (_, share) =>
    claims.filter(({ number }) => Math.floor((number * processes) / claims.length) === share),
  );
  const outcomes = await Promise.all(
    shares.map(async (share) => {
      const texts = share.map(({ image, name, format, cached }) =>
        JSON.stringify({ reference: image.registryReference, name, format, cached }),
      );
      const env = { HOME: home, ROOTLIFT_HOME: home };
      const run = await runProgram(process.execPath, [script, ...texts], { env });
      if (run.exitCode !== 0) throw new Error(`a process ended: ${run.stderr}`);
      const said: readonly unknown[] = JSON.parse(run.stdout);
      return share.map((claim, index) => outcomeOf(claim, String(said[index])));
    }),
  );
  return outcomes.flat();
}

/** @param said `won`, or what the failure was */
function outcomeOf(claim: Claim, said: string): Outcome {
  if (said === "won") return { claim, ended: "won" };
  if (said.includes("ERR_NAME_TAKEN") && !LEAK.test(said)) {
    return { claim, ended: "ERR_NAME_TAKEN" };
  }
  throw new Error(`import ${claim.number} of ${claim.name} failed: ${said}`);
}

/** @throws Error when a name has two */
function winnersOf(outcomes: readonly Outcome[]): ReadonlyMap<string, Claim> {
  const winners = new Map<string, Claim>();
  for (const { claim, ended } of outcomes) {
    if (ended !== "won") continue;
    if (winners.has(claim.name)) throw new Error(`${claim.name} has two winners`);
    winners.set(claim.name, claim);
  }
  return winners;
}

async function requireNames(store: CrashStore, winners: ReadonlyMap<string, Claim>): Promise<void> {
  for (const { name, snapshotId } of await listSandboxImages({ home: store.home })) {
    const winner = winners.get(name);
    if (winner === undefined) throw new Error(`nobody won ${name}, and it is there`);
    const { image, format } = winner;
    store.names.set(name, { snapshotId, image, format, importName: name });
  }
  if (store.names.size !== winners.size) throw new Error("a name that was won is not there");
  await requireCleanStore(store);
}

/** Of several that took a name over from each other, and of one that was killed: one of them has it. */
async function requireOneOf(store: CrashStore, outcomes: readonly Outcome[]): Promise<void> {
  const before = new Map(store.names);
  store.names.clear();
  for (const { name, snapshotId, manifestDigest } of await listSandboxImages({
    home: store.home,
  })) {
    const known = before.get(name);
    const claims = outcomes.filter(
      ({ claim, ended }) => claim.name === name && ended !== "ERR_NAME_TAKEN",
    );
    const isOld = known?.snapshotId === snapshotId;
    const found = claims.find(({ claim }) => claim.image.manifestDigest === manifestDigest)?.claim;
    const won = claims.some(({ ended }) => ended === "won");
    if (isOld && won) throw new Error(`${name} was won, and is the old one`);
    const image = isOld ? known : found;
    if (image === undefined) throw new Error(`${name} is of nobody who asked for it`);
    store.names.set(name, {
      snapshotId,
      image: image.image,
      format: image.format,
      importName: name,
    });
  }
  for (const { claim, ended } of outcomes) {
    if (ended === "won" && !store.names.has(claim.name)) throw new Error(`${claim.name} is lost`);
  }
  for (const name of before.keys()) if (!store.names.has(name)) throw new Error(`${name} is lost`);
  await requireCleanStore(store);
}

/** Holds the manifests back until it is enough that so many have asked for theirs. */
function openGate(
  { registry }: CrashImages,
  isEnough: (waiting: number) => boolean,
): { readonly close: () => number } {
  const gate = new EventEmitter();
  const released = once(gate, "open");
  registry.faults.add({ on: "manifest", kind: "hold", afterBytes: 1, released });
  const deadline = performance.now() + GATE_MS;
  let reached = 0;
  const timer = setInterval(() => {
    reached = Math.max(reached, registry.openAnswers);
    if (!isEnough(registry.openAnswers) && performance.now() < deadline) return;
    clearInterval(timer);
    gate.emit("open");
  }, 20);
  return {
    close: () => {
      clearInterval(timer);
      gate.emit("open");
      registry.faults.clear();
      return reached;
    },
  };
}
