import { lstatSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { holdMount, type Mount } from "../loop-mount.ts";
import { mustRun, runProgram, type ProgramRun } from "../run-program.ts";

/** A file system that is short of something. */
export interface DiskSpec {
  readonly kind: "ext4" | "tmpfs";
  readonly sizeKib: number;
  /** Default: what is usual for that size. */
  readonly inodes?: number;
}

/** A mounted one, seen by nobody else. Takes root. */
export interface LimitedDisk {
  /** For this process. */
  readonly rootPath: string;
  /** For the programs that `run` starts. */
  readonly mountPoint: string;
  /** Runs a program where the disk is mounted, to its end. */
  run(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<ProgramRun>;
  /** The same disk with more room, and all that lies on it. */
  grow(spec: DiskSpec): Promise<LimitedDisk>;
  remove(): Promise<void>;
}

/** @param filePath of the disk; a tmpfs has none */
export async function makeDisk(filePath: string, spec: DiskSpec): Promise<LimitedDisk> {
  if (spec.kind === "tmpfs") {
    return limitedDisk(
      filePath,
      await holdMount({ type: "tmpfs", options: tmpfsOptions(spec), source: "none" }),
    );
  }
  rmSync(filePath, { force: true });
  const inodes = spec.inodes === undefined ? [] : ["-N", `${spec.inodes}`];
  await mustRun("mkfs.ext4", ["-q", "-F", "-m", "0", ...inodes, filePath, `${spec.sizeKib}k`]);
  return mountDisk(filePath);
}

async function mountDisk(filePath: string): Promise<LimitedDisk> {
  const mount = await holdMount({ type: "ext4", options: "loop,rw", source: filePath });
  return limitedDisk(filePath, mount);
}

function limitedDisk(filePath: string, mount: Mount): LimitedDisk {
  const { rootPath, mountPoint, pid } = mount;
  const inside = ["--target", `${pid}`, "--mount", "--"];
  const disk: LimitedDisk = {
    rootPath,
    mountPoint,
    run: (program, args, env) => runProgram("nsenter", [...inside, program, ...args], { env }),
    grow: async (spec) => {
      if (spec.kind === "tmpfs") {
        const remount = ["mount", "-o", `remount,${tmpfsOptions(spec)}`, mountPoint];
        await mustRun("nsenter", [...inside, ...remount]);
        return disk;
      }
      await mount.release();
      await mustRun("truncate", ["-s", `${spec.sizeKib}k`, filePath]);
      // Also whether the kernel left a sound file system behind when it was full.
      await mustRun("e2fsck", ["-f", "-p", filePath]);
      await mustRun("resize2fs", [filePath]);
      return mountDisk(filePath);
    },
    remove: async () => {
      await mount.release();
      rmSync(filePath, { force: true });
    },
  };
  return disk;
}

function tmpfsOptions({ sizeKib, inodes }: DiskSpec): string {
  return `size=${sizeKib}k${inodes === undefined ? "" : `,nr_inodes=${inodes}`}`;
}

/** What is on a disk: paths, and what statfs(2) and the files themselves say is taken. */
export interface DiskContents {
  readonly paths: readonly string[];
  readonly usedKib: number;
  readonly listedKib: number;
}

export function diskContents(rootPath: string): DiskContents {
  const paths = readdirSync(rootPath, { recursive: true, encoding: "utf8" })
    .filter((path) => path !== "lost+found")
    .toSorted();
  const { bsize, blocks, bfree } = statfsSync(rootPath);
  const listed = paths.reduce((sum, path) => sum + lstatSync(join(rootPath, path)).blocks, 0);
  return { paths, usedKib: ((blocks - bfree) * bsize) / 1024, listedKib: listed / 2 };
}
