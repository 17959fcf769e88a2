import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { onTestFinished } from "vitest";

/** Stripping the types of all sources costs more than what most commands do: once is enough. */
const COMPILE_CACHE = resolve(import.meta.dirname, "../../node_modules/.cache/rootlift-tests");

export interface Ended {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process of the running test; it is gone when the test is. */
export interface RunningProcess {
  readonly ended: Promise<Ended>;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Nobody reads the stream any more, as after `| head`. */
  readonly closeReader: (stream: "stdout" | "stderr") => void;
  /** Resolves when the stream has said it; rejects when the process ends without. */
  readonly stdoutHas: (wanted: RegExp) => Promise<void>;
  readonly stderrHas: (wanted: RegExp) => Promise<void>;
}

/** @param env besides PATH */
export function startProcess(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): RunningProcess {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const text = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text.stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text.stderr += chunk));
  const ended = new Promise<Ended>((resolvePromise, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => resolvePromise({ exitCode, signal, ...text }));
  });
  const has = async (name: "stdout" | "stderr", wanted: RegExp): Promise<void> =>
    new Promise((resolvePromise, reject) => {
      const look = (): void => {
        if (wanted.test(text[name])) resolvePromise();
      };
      child[name].on("data", look);
      child.once("close", () => {
        reject(new Error(`ended without ${String(wanted)}: ${text.stdout}${text.stderr}`));
      });
      look();
    });
  return {
    ended,
    kill: (signal) => child.kill(signal),
    closeReader: (name) => child[name].destroy(),
    stdoutHas: async (wanted) => has("stdout", wanted),
    stderrHas: async (wanted) => has("stderr", wanted),
  };
}
