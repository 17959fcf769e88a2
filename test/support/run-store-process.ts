import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isObject } from "../../src/oci/json-object.ts";
import { parseJson } from "../../src/store/record-codec.ts";

/** A file that is looked for, in vain, where the interesting part of a trace begins. */
export const TRACE_MARK = "/rootlift-trace-mark";

/** What `store-process.ts` prints, a line an outcome. */
export type Outcome = Readonly<Record<string, unknown>>;

export interface StoreProcess {
  readonly child: ChildProcess;
  /** The next outcome; undefined when the process has ended. */
  next(): Promise<Outcome | undefined>;
  /** The rest of them, when the process has ended. */
  rest(): Promise<readonly Outcome[]>;
  readonly ended: Promise<{
    readonly exitCode: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly stderr: string;
  }>;
}

export interface StoreProcessOptions {
  /** A command that runs the rest of its arguments: strace. */
  readonly wrapper?: readonly string[];
  /** Another user, when the tests run as root. */
  readonly uid?: number;
}

/** Starts `store-process.ts`, from source. */
export function startStoreProcess(
  args: readonly string[],
  { wrapper = [], uid }: StoreProcessOptions = {},
): StoreProcess {
  const script = join(import.meta.dirname, "store-process.ts");
  const [command = "", ...rest] = [...wrapper, process.execPath, script, ...args];
  const child = spawn(command, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const ended = once(child, "close").then(() => ({
    exitCode: child.exitCode,
    signal: child.signalCode,
    stderr,
  }));
  const next = async (): Promise<Outcome | undefined> => {
    const line = await lines.next();
    if (line.done === true) return undefined;
    const outcome = parseJson(line.value);
    if (!isObject(outcome)) throw new Error(`not an outcome: ${line.value}`);
    return outcome;
  };
  const remaining = async (): Promise<readonly Outcome[]> => {
    const outcomes: Outcome[] = [];
    for (let one = await next(); one !== undefined; one = await next()) outcomes.push(one);
    return outcomes;
  };
  return { child, next, rest: remaining, ended };
}

/** Runs `store-process.ts` to its end. @throws when it fails, or says anything on stderr */
export async function runStoreProcess(
  args: readonly string[],
  options: StoreProcessOptions = {},
): Promise<readonly Outcome[]> {
  const running = startStoreProcess(args, options);
  const outcomes = await running.rest();
  const { exitCode, stderr } = await running.ended;
  if (exitCode !== 0 || stderr !== "") throw new Error(`exit ${String(exitCode)}: ${stderr}`);
  return outcomes;
}
