import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildImage, IMAGES, removeBuildStorage, type BenchmarkImage } from "./setup/images.ts";
import { installTools } from "./setup/install-tools.ts";
import { answers, hasImage, startRegistry, stopRegistry } from "./setup/registry-process.ts";

/**
 * npm run bench:setup -- [--port 5000] [--directory DIR] [--stop]
 *
 * Starts Debian's registry on loopback and builds the benchmark images into it, once: minutes, as root, with the network.
 * Where a registry with these images answers on the port, whoever started it, nothing is done. --stop ends the registry
 * that was started with this directory; the images stay there for the next time.
 */
const { values } = parseArgs({
  options: {
    port: { type: "string", default: "5000" },
    directory: {
      type: "string",
      default: join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "rootlift-bench"),
    },
    stop: { type: "boolean", default: false },
  },
});
const host = `127.0.0.1:${values.port}`;
const directory = resolve(values.directory);
const say = (line: string): boolean => process.stdout.write(`${line}\n`);

if (values.stop) say(stopRegistry(directory) ? "stopped the registry" : "no registry was running");
else await setUp();

async function setUp(): Promise<void> {
  const running = await answers(host);
  if (!running || !(await hasAll(IMAGES))) {
    installTools(say);
    mkdirSync(directory, { recursive: true });
    if (!running) await startRegistry(host, directory);
    for (const image of IMAGES) await provide(image);
    removeBuildStorage(directory);
  }
  say(`registry with the benchmark images: ${host}`);
}

async function hasAll(images: readonly BenchmarkImage[]): Promise<boolean> {
  for (const { name } of images) if (!(await hasImage(host, name))) return false;
  return true;
}

/** Builds what is not there, with what it is made of. */
async function provide(image: BenchmarkImage): Promise<void> {
  if (await hasImage(host, image.name)) return;
  if (image.from !== undefined) await provide(image.from);
  say(`building ${image.name} …`);
  buildImage(image, { host, directory });
}
