import { spawn, type ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { cancellation, ImportError, printable } from "../errors.ts";
import type { Login } from "./auth-entry.ts";
import { helperAnswer, helperFailure } from "./helper-answer.ts";

export interface HelperQuestion {
  /** Of `docker-credential-<name>`: a plain name, looked up on the PATH of `env`. */
  readonly name: string;
  /** What the credentials are asked for; written to the helper's stdin. */
  readonly serverUrl: string;
  /** For messages: `credsStore of ~/.docker/config.json`. */
  readonly configuredBy: string;
}

export interface HelperSettings {
  /** Passed on unchanged: helpers need `AWS_*`, `HOME` and the like (CRED-10). */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Until the helper has ended; default 30 s. */
  readonly timeoutMs?: number | undefined;
  /** Gets what the helper wrote to stderr, made printable. */
  readonly onDebug?: ((line: string) => void) | undefined;
}

const TIMEOUT_MS = 30_000;
/** An answer has a user and a token of a few KiB (CRED-7). */
const STDOUT_BYTES = 1 << 20;
const STDERR_BYTES = 8 << 10;
/** How long after its end a helper's output may stay open: a process that it left behind may hold it for ever. */
const OUTPUT_GRACE_MS = 250;

type Ending =
  | { readonly kind: "exited"; readonly status: number | null; readonly killer: string | null }
  | { readonly kind: "not started"; readonly code: string }
  | { readonly kind: "too long" }
  | { readonly kind: "timeout" }
  | { readonly kind: "cancelled" };

/**
 * Asks a docker credential helper (docker-credential-helpers `client/`): `docker-credential-<name> get`, without a shell,
 * the server URL on stdin, JSON from stdout. It runs in a process group of its own, which is killed when the helper is
 * too slow, says too much, or nobody waits any more.
 *
 * @returns `undefined` when the helper has nothing
 * @throws ImportError ERR_CREDENTIAL_HELPER; ERR_CANCELLED, or the signal's reason when that is an ImportError
 */
export async function askCredentialHelper(
  question: HelperQuestion,
  settings: HelperSettings,
  signal: AbortSignal,
): Promise<Login | undefined> {
  if (signal.aborted) throw cancellation(signal);
  const program = `docker-credential-${question.name}`;
  const label = `${printable(program)} (${question.configuredBy})`;
  const run = await runHelper(program, question.serverUrl, settings, signal);
  const errors = run.stderr.trim();
  if (errors !== "") settings.onDebug?.(`${label} says: ${printable(errors, 2000)}`);
  const { ending } = run;
  if (ending.kind === "cancelled") throw cancellation(signal);
  if (ending.kind !== "exited") throw failed(`${label} ${whyNoAnswer(ending, settings)}`);
  if (ending.status === 0) return helperAnswer(run.stdout, label);
  return helperFailure(run.stdout, ending, label);
}

function whyNoAnswer(
  ending: Exclude<Ending, { readonly kind: "exited" | "cancelled" }>,
  settings: HelperSettings,
): string {
  if (ending.kind === "too long") return `printed more than ${STDOUT_BYTES} bytes`;
  if (ending.kind === "timeout") {
    return `did not answer within ${(settings.timeoutMs ?? TIMEOUT_MS) / 1000} s and was ended`;
  }
  return ending.code === "ENOENT"
    ? "is not installed: there is no such program on PATH"
    : `could not be started (${printable(ending.code)})`;
}

interface HelperRun {
  readonly ending: Ending;
  readonly stdout: string;
  readonly stderr: string;
}

async function runHelper(
  program: string,
  input: string,
  settings: HelperSettings,
  signal: AbortSignal,
): Promise<HelperRun> {
  let child: ChildProcess;
  try {
    // `detached` makes it the leader of a process group, so that its children can be ended with it.
    child = spawn(program, ["get"], { env: settings.env, stdio: "pipe", detached: true });
  } catch (error) {
    return { ending: { kind: "not started", code: errorCode(error) }, stdout: "", stderr: "" };
  }
  const finished = new AbortController();
  const stderr = new Output(child.stderr, STDERR_BYTES);
  const stdout = new Output(child.stdout, STDOUT_BYTES);
  const ending = await new Promise<Ending>((resolve) => {
    const once = { once: true, signal: finished.signal };
    child.on("error", (error) => resolve({ kind: "not started", code: errorCode(error) }));
    const timer = setTimeout(() => resolve({ kind: "timeout" }), settings.timeoutMs ?? TIMEOUT_MS);
    finished.signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
    child.once("exit", (status, killer) => {
      clearTimeout(timer);
      whenDrained(child, () => resolve({ kind: "exited", status, killer }));
    });
    stdout.onOverflow = () => resolve({ kind: "too long" });
    signal.addEventListener("abort", () => resolve({ kind: "cancelled" }), once);
    // A helper may end without reading: EPIPE says nothing that its exit does not say better.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
  finished.abort();
  if (ending.kind !== "exited") killGroup(child);
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
  child.unref();
  return { ending, stdout: stdout.text(), stderr: stderr.text() };
}

/** What a process writes, up to a limit; the rest is read and dropped, so that the writer does not block. */
class Output {
  onOverflow: () => void = () => undefined;
  readonly #chunks: Buffer[] = [];
  #left: number;

  constructor(stream: Readable | null, limitBytes: number) {
    this.#left = limitBytes;
    stream?.on("error", () => undefined);
    stream?.on("data", (chunk: Buffer) => this.#add(chunk));
  }

  #add(chunk: Buffer): void {
    if (this.#left > 0) this.#chunks.push(chunk.subarray(0, this.#left));
    if (chunk.length > this.#left) this.onOverflow();
    this.#left = Math.max(0, this.#left - chunk.length);
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}

/**
 * Calls back when all that an ended process has written was read: at the end of its output, or, when something it left
 * behind holds that open, after a moment. What was written before the end lies in the pipe by then, and the event loop
 * reads pipes between a timer and an immediate.
 */
function whenDrained(child: ChildProcess, done: () => void): void {
  const grace = setTimeout(() => setImmediate(done), OUTPUT_GRACE_MS);
  child.once("close", () => {
    clearTimeout(grace);
    done();
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL");
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown error";
}

function failed(message: string): ImportError {
  return new ImportError("ERR_CREDENTIAL_HELPER", message, {
    hint: "Repair or install the helper, or remove it from the config and log in again.",
  });
}
