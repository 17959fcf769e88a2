import { resolve } from "node:path";
import { startProcess, type Ended, type RunningProcess } from "./running-process.ts";

const COMMAND = resolve(import.meta.dirname, "../../bin/tl.js");
export const MAIN: string = resolve(import.meta.dirname, "../../src/cli/main.ts");

export interface TlPlace {
  /** The store; every test has its own. It is HOME too, so that nobody's docker config is read. */
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The built command line, as users run it: `tl sbx image ARGS…`. */
export function startTl(args: readonly string[], { home, env = {} }: TlPlace): RunningProcess {
  const command = [COMMAND, "sbx", "image", ...args];
  return startProcess(process.execPath, command, { HOME: home, ROOTLIFT_HOME: home, ...env });
}

export async function runTl(args: readonly string[], place: TlPlace): Promise<Ended> {
  return startTl(args, place).ended;
}

/** The command from its sources, with all of its words: for what it prints, without a build. */
export function startSource(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): RunningProcess {
  return startProcess(process.execPath, [MAIN, ...args], env);
}

export async function runSource(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return startSource(args, env).ended;
}
