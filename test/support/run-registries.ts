import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { openPullLab } from "./registries/pull-lab.ts";
import { Scene } from "./registries/scene.ts";
import { SCENES } from "./registries/scenes/index.ts";

/**
 * npm run test:registries -- [--only TEXT] [--skip N] [--command PATH]
 *
 * Imports from Debian's docker-registry behind nginx, through squid, with real credential helpers and token servers, with
 * skopeo and podman beside us in the same set-up. A line a scene; last `N passed, N failed`. As root.
 */
const COMMAND = resolve(import.meta.dirname, "../../bin/tl.js");

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: "" },
      skip: { type: "string", default: "0" },
      command: { type: "string", default: COMMAND },
    },
  });
  const scenes = SCENES.slice(Number(values.skip)).filter(({ name }) => name.includes(values.only));
  const lab = await openPullLab([process.execPath, resolve(values.command)]);
  let failed = 0;
  try {
    for (const { name, play } of scenes) {
      const scene = new Scene(lab);
      const begun = performance.now();
      let problem = "";
      try {
        await play(scene);
      } catch (error) {
        failed += 1;
        problem = `\n     ${error instanceof Error ? error.message : String(error)}`;
      } finally {
        await scene.close();
      }
      const seconds = ((performance.now() - begun) / 1000).toFixed(1).padStart(5);
      process.stdout.write(`${problem === "" ? "ok  " : "FAIL"} ${seconds} s  ${name}${problem}\n`);
    }
  } finally {
    await lab.close();
  }
  process.stdout.write(`${scenes.length - failed} passed, ${failed} failed\n`);
  return failed === 0 && scenes.length > 0 ? 0 : 1;
}

process.exitCode = await main();
