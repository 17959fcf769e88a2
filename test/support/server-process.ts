import { spawn, type ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A server that is a program of its own, on one port of loopback. */
export interface ServerProcess {
  /** Ends it at once, as a crash does, and returns when it is gone. */
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
  /** Starts it anew after `kill`; returns when it listens. */
  readonly start: () => Promise<void>;
  /** Hands it a signal that it lives on with. */
  readonly signal: (name: NodeJS.Signals) => void;
}

export interface ServerProgram {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where it listens when it is up. */
  readonly port: number;
  readonly host?: string;
}

/** Node kills a process that it started only when it is told to; the kernel does when this process is gone. */
const TIED_TO_US = ["--pdeathsig", "KILL", "--"];
const PATIENCE_MS = 30_000;

/** @throws Error with what it said, when it does not listen in time */
export async function startServerProcess(program: ServerProgram): Promise<ServerProcess> {
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();
  const start = async (): Promise<void> => {
    let said = "";
    const begun = spawn("setpriv", [...TIED_TO_US, program.command, ...program.args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`, ...program.env },
    });
    child = begun;
    begun.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      said = (said + chunk).slice(-4000);
    });
    ended = new Promise((settle) => {
      begun.on("close", () => settle());
      begun.on("error", () => settle());
    });
    if (await listens(program, begun)) return;
    begun.kill("SIGKILL");
    await ended;
    throw new Error(`${program.command} does not listen on port ${program.port}: ${said}`);
  };
  await start();
  return {
    start,
    kill: async (signal = "SIGKILL") => {
      child?.kill(signal);
      await ended;
    },
    signal: (name) => child?.kill(name),
  };
}

/** The same for a server with a directory of its own, which goes with it, and when it does not start. */
export async function startServerIn(
  directory: string,
  program: ServerProgram,
): Promise<Pick<ServerProcess, "kill" | "start"> & { readonly close: () => Promise<void> }> {
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    const { kill, start } = await startServerProcess(program);
    const close = async (): Promise<void> => {
      await kill();
      remove();
    };
    return { kill, start, close };
  } catch (error) {
    remove();
    throw error;
  }
}

async function listens({ host, port }: ServerProgram, child: ChildProcess): Promise<boolean> {
  const until = performance.now() + PATIENCE_MS;
  while (performance.now() < until && child.exitCode === null && child.signalCode === null) {
    if (await accepts(host ?? "127.0.0.1", port)) return true;
    await sleep(20);
  }
  return false;
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      settle(true);
    });
    socket.once("error", () => settle(false));
  });
}
