import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { checkStore, deleteSandboxImage, importSandboxImage } from "../../src/index.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { scratchDirectory } from "../support/scratch.ts";

const MIB = 2 ** 20;

test("images that are deleted while the contents of a larger one are read are no problem", async () => {
  const work = scratchDirectory();
  const home = join(work, "home");
  for (const [name, sizeBytes] of [
    ["first", MIB],
    ["large", 256 * MIB],
    ["last", MIB],
  ] as const) {
    const layer = await makeLayer([fileEntry(name, Buffer.alloc(sizeBytes, "contents"))]);
    writeOciLayout(join(work, name), "1", { layers: [layer] });
    await importSandboxImage(`oci:${join(work, name)}:1`, {
      home,
      registeredName: name,
      format: "tar",
      fsync: false,
    });
  }
  const checking = checkStore({ home, verify: true });
  await sleep(30);
  for (const name of ["first", "last"]) await deleteSandboxImage(name, { home });
  expect((await checking).problems).toEqual([]);
});
