import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";

/** Shows its own copy of /etc at /etc, until stdin ends. */
const HOLDER = 'mount --bind "$1" /etc && echo ready && cat';

/**
 * This machine with an /etc of its own: host names, certs.d and the system's authorities, which nobody else sees. Takes
 * root.
 */
export interface OwnMachine {
  /** @param path below /etc. `undefined` removes it */
  writeEtc(path: string, content: string | undefined): void;
  /** What runs a command in it: to stand before that command. */
  readonly enter: readonly string[];
  close(): Promise<void>;
}

/** @param hosts lines of /etc/hosts, after the real ones @throws Error when this machine allows no mount namespace */
export async function openOwnMachine(hosts: readonly string[]): Promise<OwnMachine> {
  const directory = mkdtempSync(join(tmpdir(), "rootlift-etc-"));
  const etc = join(directory, "etc");
  cpSync("/etc", etc, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  writeFileSync(
    join(etc, "hosts"),
    ["127.0.0.1 localhost", "::1 localhost", ...hosts, ""].join("\n"),
  );
  const holder = spawn(
    "unshare",
    ["--mount", "--propagation", "private", "sh", "-c", HOLDER, "sh", etc],
    { stdio: "pipe" },
  );
  const ended = new Promise<void>((settle) => {
    holder.on("error", () => settle());
    holder.on("close", () => settle());
  });
  const said = text(holder.stderr);
  const close = async (): Promise<void> => {
    holder.stdin.end();
    await ended;
    rmSync(directory, { recursive: true, force: true });
  };
  const first = await createInterface({ input: holder.stdout })[Symbol.asyncIterator]().next();
  if (first.value !== "ready") {
    await close();
    throw new Error(`no mount namespace with an /etc of its own: ${await said}`);
  }
  return {
    enter: ["nsenter", "-t", String(holder.pid), "-m", "--"],
    writeEtc: (path, content) => {
      const target = join(etc, path);
      if (content === undefined) rmSync(target, { recursive: true, force: true });
      else {
        mkdirSync(dirname(target), { recursive: true });
        writeFileSync(target, content);
      }
    },
    close,
  };
}
