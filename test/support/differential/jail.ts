import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";

/**
 * Makes every mount read-only but for one directory, then waits for the end of stdin. What a peer does with a hostile
 * archive stays in that directory.
 */
const HOLDER = `
mount --bind "$1" "$1" || exit 1
while read -r _ _ _ _ target _; do
  case $target in "$1"|"$1"/*) continue ;; esac
  mount -o remount,bind,ro "$target" 2>/dev/null || case $target in /proc*|/sys*|/run*|/dev*) ;; *) exit 1 ;; esac
done < /proc/self/mountinfo
touch /tmp/rootlift-jail 2>/dev/null && exit 1
echo ready
cat >/dev/null`;

export interface JailedRun {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stderr: string;
}

/** A view of this machine in which only one directory can be written. Takes root. */
export interface Jail {
  /** Limits the files to 256 MiB and the time to 20 s. */
  run(command: readonly string[]): Promise<JailedRun>;
  close(): Promise<void>;
}

/** @param work the directory that stays writable @throws Error when the machine allows no mount namespace */
export async function openJail(work: string): Promise<Jail> {
  const namespace = ["--mount", "--propagation", "private"];
  const holder = spawn("unshare", [...namespace, "bash", "-c", HOLDER, "bash", work], {
    stdio: "pipe",
  });
  const ended = new Promise<number | null>((settle, reject) => {
    holder.on("error", reject);
    holder.on("close", settle);
  });
  const said = text(holder.stderr);
  const close = async (): Promise<void> => {
    holder.stdin.end();
    await ended;
  };
  const first = await createInterface({ input: holder.stdout })[Symbol.asyncIterator]().next();
  if (first.value !== "ready") {
    await close();
    throw new Error(`no jail for the peers: ${await said}`);
  }
  const enter = ["-t", String(holder.pid), "-m", "--"];
  const limits = ["prlimit", "--fsize=268435456", "timeout", "-k", "1", "20"];
  return {
    run: async (command) => runIn([...enter, ...limits, ...command]),
    close,
  };
}

function runIn(args: readonly string[]): Promise<JailedRun> {
  const run = spawn("nsenter", args, {
    env: {
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      LC_ALL: "C.UTF-8",
      TZ: "UTC",
      HOME: "/nonexistent",
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  return new Promise((settle, reject) => {
    let stderr = "";
    run.stderr.setEncoding("latin1").on("data", (chunk: string) => {
      stderr = (stderr + chunk).slice(-2000);
    });
    run.on("error", reject);
    run.on("close", (exitCode) => settle({ exitCode, stderr }));
  });
}
