import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A home with real `docker-credential-*` programs on PATH. */
export interface HelperHome {
  readonly root: string;
  /** `HOME` and `PATH` only. */
  readonly env: Readonly<Record<string, string>>;
  /** Puts `docker-credential-<name>` on PATH; `$ROOT` in the script is the home's root. */
  addHelper(name: string, script: string): Promise<void>;
  write(path: string, content: unknown): Promise<void>;
  read(path: string): Promise<string>;
  remove(): Promise<void>;
}

export async function makeHelperHome(): Promise<HelperHome> {
  const root = await mkdtemp(join(tmpdir(), "rootlift-helpers-"));
  const bin = join(root, "bin");
  await mkdir(bin);
  await mkdir(join(root, "home"));
  return {
    root,
    env: { HOME: join(root, "home"), PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin` },
    addHelper: async (name, script) => {
      const text = script.startsWith("#!") ? script : `#!/bin/sh\n${script}`;
      const path = join(bin, `docker-credential-${name}`);
      await writeFile(path, `${text.replaceAll("$ROOT", root)}\n`, { mode: 0o755 });
    },
    write: async (path, content) => {
      await mkdir(dirname(join(root, path)), { recursive: true });
      const text = typeof content === "string" ? content : JSON.stringify(content);
      await writeFile(join(root, path), text);
    },
    read: async (path) => readFile(join(root, path), "utf8"),
    remove: async () => rm(root, { recursive: true, force: true }),
  };
}

/** Waits for a process to be gone; a zombie, which only its parent can remove, counts as gone. */
export async function untilGone(pid: number): Promise<void> {
  for (;;) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    if (stat === "" || /\) [ZX] /.test(stat)) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}
