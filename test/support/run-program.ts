import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

export interface ProgramRun {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly cwd?: string;
  /** Besides our own. */
  readonly env?: NodeJS.ProcessEnv;
  /** Ends it with SIGTERM, and then it has failed. */
  readonly signal?: AbortSignal;
}

/** Programs of file systems live in sbin, which an ordinary user's PATH leaves out. */
const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

/** Runs a program in plain English to its end, however it ends. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramRun> {
  const env = { ...process.env, LC_ALL: "C", TZ: "UTC", ...options.env, PATH };
  const child = spawn(program, args, { ...options, env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((settle, reject) => {
    child.on("error", reject);
    child.on("close", settle);
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended,
  ]);
  return { exitCode, stdout, stderr };
}

/** @returns its stdout @throws Error with its stderr when it does not exit with 0 */
export async function mustRun(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(program, args, options);
  if (exitCode === 0) return stdout;
  const said = `${stderr}${stdout}`.slice(-2000);
  throw new Error(`${program} ${args.join(" ")} ended with exit code ${exitCode}: ${said}`);
}
