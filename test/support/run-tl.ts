import { spawn, type ChildProcess } from "node:child_process";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";

const COMMAND = resolve(import.meta.dirname, "../../bin/tl.js");

export interface TlRun {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TlOptions {
  /** The store; every test has its own. */
  readonly home: string;
  /** Besides PATH and HOME (the store's directory, so that nobody's docker config is read). */
  readonly env?: Readonly<Record<string, string>>;
  /** Sees the process, to send it a signal at the right moment. */
  readonly onStart?: (child: ChildProcess) => void;
  readonly onStderr?: (text: string, child: ChildProcess) => void;
}

/** Runs the built command line: `tl sbx image ARGS…`. */
export async function runTl(args: readonly string[], options: TlOptions): Promise<TlRun> {
  const child = spawn(process.execPath, [COMMAND, "sbx", "image", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: options.home,
      ROOTLIFT_HOME: options.home,
      ...options.env,
    },
  });
  options.onStart?.(child);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
    options.onStderr?.(stderr, child);
  });
  const ended = new Promise<Pick<TlRun, "exitCode" | "signal">>((settle, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode, signal) => settle({ exitCode, signal }));
  });
  const [stdout, end] = await Promise.all([text(child.stdout), ended]);
  return { ...end, stdout, stderr };
}
