import { isDeepStrictEqual } from "node:util";
import { parseTrace } from "../strace/trace-lines.ts";
import { describeCall, pathsToMatch, recordPoints, type FaultPoint } from "./fault-points.ts";
import type { FaultScenario, FaultState } from "./fault-scenario.ts";
import { importAgain, settledState } from "./fault-state.ts";
import type { FaultWorld, TracedRun } from "./fault-world.ts";

/** The process is killed before the call; or the call is not made and fails. */
export const FAULTS = ["KILL", "EIO", "ENOSPC"] as const;
export type Fault = (typeof FAULTS)[number];

/** What a scenario comes to when nothing fails. */
export interface Undisturbed {
  readonly points: readonly FaultPoint[];
  readonly before: FaultState;
  readonly after: FaultState;
  /** Of the import that comes afterwards. */
  readonly againDigest: string;
}

export interface FaultResult {
  /** The call was the one that was meant. */
  readonly reached: boolean;
  /** `killed`, `done`, or the code of the error. */
  readonly outcome: string;
  /** Which of the two states was found; both, where the command changes nothing. */
  readonly state: "before" | "after" | "both" | "neither";
  /** Why it is wrong; none: it is right. */
  readonly problems: readonly string[];
}

const TRIES = 4;

/** Errors that a failed call may end in: what is told is that the disk fails, or is full. */
const CODES: Readonly<Record<Exclude<Fault, "KILL">, readonly string[]>> = {
  EIO: ["ERR_STORE_IO", "ERR_OUTPUT_IO"],
  // SQLite does not tell why a file cannot be opened or synced.
  ENOSPC: ["ERR_DISK_FULL", "ERR_STORE_IO"],
};

/** The saved place is where it begins. */
export async function runUndisturbed(
  world: FaultWorld,
  scenario: FaultScenario,
): Promise<Undisturbed> {
  await world.restore(scenario);
  const before = await settledState(world.place, scenario);
  await world.restore(scenario);
  const points = await recordPoints(world, scenario);
  const after = await settledState(world.place, scenario);
  const againDigest = await importAgain(world.place, scenario.again);
  return { points, before, after, againDigest };
}

/** Runs the command with a fault at one point, then all that must still work. */
export async function runFault(
  world: FaultWorld,
  scenario: FaultScenario,
  {
    point,
    fault,
    expected,
  }: { readonly point: FaultPoint; readonly fault: Fault; readonly expected: Undisturbed },
): Promise<FaultResult> {
  let run: TracedRun;
  let reached = false;
  let tries = 0;
  do {
    await world.restore(scenario);
    run = await world.run(scenario.command, faultOptions(point, fault));
    reached = hitCall(run, fault, world) === point.what;
    tries += 1;
    // Threads may have met otherwise.
  } while (!reached && tries < TRIES);
  const { outcome, problems } = judged(run, fault);
  const left = await stateLeft(world, scenario, expected);
  if (outcome === "done" && left.state === "before") problems.push("it says done, and nothing is");
  return { reached, outcome, state: left.state, problems: [...problems, ...left.problems] };
}

function faultOptions({ syscall, path, when }: FaultPoint, fault: Fault): readonly string[] {
  const effect = fault === "KILL" ? "signal=KILL" : `error=${fault}`;
  const only = [
    "-e",
    `trace=${syscall}`,
    ...pathsToMatch(path).flatMap((one) => ["-P", one]),
    "-e",
    `inject=${syscall}:${effect}:when=${when}`,
  ];
  // With seccomp, strace 6.1 delivers no signals.
  return fault === "KILL" ? only : ["--seccomp-bpf", ...only];
}

/** What the call was that strace tampered with. */
function hitCall(run: TracedRun, fault: Fault, { place }: FaultWorld): string | undefined {
  if (fault === "KILL" && run.exitCode !== null) return undefined;
  const lines = run.trace.split("\n").filter((line) => /^\d+ +\w+\(/.test(line));
  const hit =
    fault === "KILL"
      ? lines.findLast((line) => /<unfinished \.\.\.>|= \?$/.test(line))
      : lines.find((line) => line.includes("(INJECTED)"));
  // strace prints what a killed call was given, and no result.
  const whole = hit?.replace(/ *<unfinished \.\.\.>.*$|\) *= \?$/, ") = 0");
  const [call] = whole === undefined ? [] : parseTrace(whole);
  return call === undefined ? undefined : describeCall(call, place);
}

function judged(
  { exitCode, stderr }: TracedRun,
  fault: Fault,
): { readonly outcome: string; readonly problems: string[] } {
  if (exitCode === null) {
    return { outcome: "killed", problems: fault === "KILL" ? [] : ["it died of a signal"] };
  }
  if (exitCode === 0) return { outcome: "done", problems: [] };
  const code = /^Error: .* \[(ERR_\w+)\]$/m.exec(stderr)?.[1] ?? "no code";
  const problems: string[] = [];
  if (exitCode !== 1) problems.push(`exit code ${exitCode}`);
  if (fault !== "KILL" && !CODES[fault].includes(code)) problems.push(`it says ${code}`);
  if (stderr.match(/^Error: /gm)?.length !== 1 || /^\s+at /m.test(stderr)) {
    problems.push("it says more than one error, or shows a stack");
  }
  return { outcome: code, problems: problems.map((problem) => `${problem}: ${stderr.trim()}`) };
}

/** Which state the next command finds, and whether an import works then. */
export async function stateLeft(
  { place }: FaultWorld,
  scenario: FaultScenario,
  { before, after, againDigest }: Undisturbed,
): Promise<Pick<FaultResult, "state" | "problems">> {
  try {
    const found = await settledState(place, scenario);
    const problems: string[] = [];
    const isBefore = isDeepStrictEqual(found, before);
    const isAfter = isDeepStrictEqual(found, after);
    const state =
      isBefore && isAfter ? "both" : isBefore ? "before" : isAfter ? "after" : "neither";
    if (state === "neither") problems.push(`neither before nor after: ${JSON.stringify(found)}`);
    if ((await importAgain(place, scenario.again)) !== againDigest) {
      problems.push("the next import has other bytes");
    }
    return { state, problems };
  } catch (error) {
    return { state: "neither", problems: [`afterwards: ${String(error)}`] };
  }
}
