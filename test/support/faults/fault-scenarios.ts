import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  directoryEntry,
  fileEntry,
  makeLayer,
  symlinkEntry,
  type LayerEntry,
} from "../make-layer.ts";
import { writeOciLayout } from "../oci-layout.ts";
import type { TestLayer } from "../test-registry/test-image.ts";
import type { TestRegistry } from "../test-registry/test-registry.ts";
import {
  DISK_MB,
  type FaultImport,
  type FaultPlace,
  type FaultScenario,
} from "./fault-scenario.ts";
import { builtLibrary } from "./fault-state.ts";
import type { FaultWorld } from "./fault-world.ts";

/** A title, and how the place is made that it begins with. */
export interface ScenarioPlan {
  readonly title: string;
  readonly make: (world: FaultWorld) => Promise<FaultScenario>;
}

/** Where images come from. */
export interface FaultSources {
  readonly fresh: string;
  readonly old: string;
  /** `fresh`, from a registry. */
  readonly remote: string;
}

/** Of all kinds of things that an image holds one, in two layers; the second one deletes. */
async function tinyLayers(): Promise<readonly TestLayer[]> {
  const fifo: LayerEntry = { name: "run/fifo", type: "fifo", mode: 0o600 };
  const hard: LayerEntry = { name: "etc/hard", type: "link", linkname: "etc/a" };
  const pax = { "SCHILY.xattr.user.tag": "yes" };
  const tagged: LayerEntry = { ...fileEntry("tagged", "t".repeat(20), 0o640), uid: 7, gid: 8, pax };
  const lower = [directoryEntry("etc"), fileEntry("etc/a", "a".repeat(5000)), hard];
  const upper = [fileEntry(".wh.gone", ""), fileEntry("b", "b".repeat(3000), 0o4755)];
  return Promise.all([
    makeLayer([...lower, directoryEntry("run", 0o700), fifo, fileEntry("gone", "x"), tagged]),
    makeLayer([...upper, symlinkEntry("link", "etc/a")]),
  ]);
}

/** @param work a directory for layouts */
export async function faultSources(work: string, registry: TestRegistry): Promise<FaultSources> {
  const layers = await tinyLayers();
  const [fresh, old] = [join(work, "layout"), join(work, "old-layout")];
  writeOciLayout(fresh, "new", { layers });
  writeOciLayout(old, "old", { layers: layers.slice(0, 1) });
  await registry.addImage("app", "new", { layers });
  return { fresh: `oci:${fresh}:new`, old: `oci:${old}:old`, remote: `${registry.host}/app:new` };
}

export function faultScenarios(sources: FaultSources): readonly ScenarioPlan[] {
  const again: FaultImport = { reference: sources.fresh, format: "ext4" };
  return [
    ...(["ext4", "dir", "erofs", "tar"] as const).map((format) => ({
      title: `import ${format}`,
      make: async () => ({
        command: importWords("app", { reference: sources.fresh, format }),
        again: { ...again, format },
      }),
    })),
    {
      title: "import --replace",
      make: async ({ place }) => {
        await fill(place, sources.old);
        return { command: [...importWords("app", again), "--replace"], again };
      },
    },
    ...(["dir", "ext4"] as const).map((format) => outputPlan(sources, format)),
    {
      title: "rm",
      make: async ({ place }) => {
        await fill(place, sources.old);
        return { command: ["sbx", "image", "rm", "app"], again };
      },
    },
    registerPlan(sources),
    ...(["tar", "dir"] as const).map((format) => exportPlan(sources, format)),
    {
      title: "store check --repair",
      make: async ({ place }) => {
        await fill(place, sources.old);
        writeFileSync(join(place.home, "catalog.db"), "no database at all".repeat(1000));
        // A journal of the same time: it must not be rolled back into the new catalog.
        writeFileSync(join(place.home, "catalog.db-journal"), "");
        return { command: ["store", "check", "--repair"], again, needsRepair: true };
      },
    },
    ...(["empty", "filled"] as const).map((cache) => cachePlan(sources, cache)),
    ...(["import", "output"] as const).map((of) => cleanUpPlan(sources, of)),
  ];
}

/** Two images, `app` and `other`. */
async function fill({ home }: FaultPlace, reference: string): Promise<void> {
  const library = await builtLibrary();
  const options = { home, env: {}, cpus: 1, diskMb: DISK_MB, fsync: false };
  for (const registeredName of ["app", "other"]) {
    await library.importSandboxImage(reference, { ...options, registeredName });
  }
}

function importWords(name: string, { reference, format }: FaultImport): readonly string[] {
  const disk = ["--disk_mb", String(DISK_MB)];
  return [
    "sbx",
    "image",
    "import",
    reference,
    "-n",
    name,
    "--format",
    format,
    ...disk,
    "--cpus",
    "1",
    "--quiet",
  ];
}

/** Two parents of the output are missing. */
function outputPlan(sources: FaultSources, format: "dir" | "ext4"): ScenarioPlan {
  return {
    title: `import ${format} --output`,
    make: async ({ place }) => {
      await fill(place, sources.old);
      const outputPath = join(place.outside, "some", "where", "rootfs");
      const again = { reference: sources.fresh, format };
      const command = [...importWords("out", again), "--output", outputPath];
      return { command, outputPath, again };
    },
  };
}

/** The snapshot of `other` becomes that of `app` too, and that of `app` goes. */
function registerPlan(sources: FaultSources): ScenarioPlan {
  return {
    title: "register --replace",
    make: async ({ place }) => {
      const { home, outside } = place;
      await fill(place, sources.old);
      const library = await builtLibrary();
      const options = { home, env: {}, cpus: 1, diskMb: DISK_MB, fsync: false };
      const { snapshotId } = await library.importSandboxImage(sources.fresh, {
        ...options,
        registeredName: "other",
        replace: true,
      });
      const dockerfile = join(outside, "Dockerfile");
      writeFileSync(dockerfile, "FROM scratch\n");
      const words = ["sbx", "image", "register", "app", snapshotId, "--replace"];
      return {
        command: [...words, "--dockerfile", dockerfile],
        again: { reference: sources.fresh, format: "ext4" },
      };
    },
  };
}

function exportPlan(sources: FaultSources, format: "tar" | "dir"): ScenarioPlan {
  return {
    title: `export ${format}`,
    make: async ({ place }) => {
      await fill(place, sources.old);
      const outputPath = join(place.outside, "some", "where", "exported");
      const words = ["sbx", "image", "export", "app", "--format", format, "--quiet"];
      return {
        command: [...words, "--output", outputPath],
        outputPath,
        again: { reference: sources.fresh, format: "ext4" },
      };
    },
  };
}

function cachePlan(sources: FaultSources, cache: "empty" | "filled"): ScenarioPlan {
  const again = { reference: sources.remote, format: "ext4", blobCache: "on" } as const;
  return {
    title: `import --blob-cache, ${cache}`,
    make: async ({ place }) => {
      await fill(place, sources.old);
      if (cache === "filled") {
        const library = await builtLibrary();
        const options = { home: place.home, env: {}, cpus: 1, diskMb: DISK_MB, fsync: false };
        await library.importSandboxImage(sources.remote, {
          ...options,
          registeredName: "cached",
          blobCache: "on",
        });
      }
      const words = importWords("app", again);
      return { command: [...words, "--replace", "--blob-cache", "on"], again };
    },
  };
}

/** A command that only reads, after an import was killed late: it cleans up, and may be killed in turn. */
function cleanUpPlan(sources: FaultSources, of: "import" | "output"): ScenarioPlan {
  return {
    title: `ls after a killed import, ${of}`,
    make: async (world) => {
      const { home, outside } = world.place;
      await fill(world.place, sources.old);
      const outputPath = join(outside, "some", "where", "rootfs");
      const again: FaultImport = { reference: sources.fresh, format: "dir" };
      const output = of === "output" ? ["--output", outputPath] : [];
      // Everything is in its final place, and the catalog does not know of it.
      const synced = of === "output" ? join(outside, "some", "where") : join(home, "snapshots");
      const kill = ["-e", "trace=fsync", "-P", synced, "-e", "inject=fsync:signal=KILL"];
      const { exitCode } = await world.run([...importWords("killed", again), ...output], kill);
      if (exitCode !== null) throw new Error("the import was not killed");
      return { command: ["sbx", "image", "ls"], outputPath, again };
    },
  };
}
