import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPullLab, type PullLab } from "./support/registries/pull-lab.ts";
import { Scene } from "./support/registries/scene.ts";
import { SCENES } from "./support/registries/scenes/index.ts";

const COMMAND = resolve(import.meta.dirname, "../bin/tl.js");

/** Those that between them start every server and helper; all of them: `npm run test:registries`. */
const SHORT = SCENES.filter(({ short }) => short === true);

let lab: PullLab;

beforeAll(async () => {
  lab = await openPullLab([process.execPath, COMMAND]);
});
afterAll(() => lab.close());

test.each(SHORT)("as skopeo does in the same set-up: $name", async ({ play }) => {
  const scene = new Scene(lab);
  try {
    await expect(play(scene)).resolves.toBeUndefined();
  } finally {
    await scene.close();
  }
});
