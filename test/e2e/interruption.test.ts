import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { runTl, startTl } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { storeListing } from "../support/store-listing.ts";
import { startTestRegistry, type TestRegistry } from "../support/test-registry/test-registry.ts";

let slow: TestRegistry;

beforeAll(async () => {
  slow = await startTestRegistry({ bytesPerSecond: 100_000 });
  const noise = Array.from({ length: 200_000 }, (_, n) => (n * 2_654_435_761) % 2 ** 32).join(" ");
  const small = await makeLayer([fileEntry("small", "small\n")]);
  await slow.addImage("team/slow", "1", {
    layers: [small, await makeLayer([fileEntry("a", noise)])],
  });
  await slow.addImage("team/quick", "1", { layers: [small] });
});
afterAll(() => slow.close());

/** Resolves when the registry has been asked for a layer of the slow image: from then on the pull is under way. */
async function pullBegan(before: number): Promise<void> {
  const layersAsked = (): number =>
    slow.requests.slice(before).filter(({ path }) => path.includes("/blobs/")).length;
  for (let attempt = 0; attempt < 400 && layersAsked() < 3; attempt++) await sleep(50);
  // Some bytes arrive, and a body file is open.
  await sleep(300);
}

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)(
  "%s in mid-pull leaves the store as it was and exits with %i",
  async (signal, status) => {
    const home = scratchDirectory();
    const place = scratchDirectory();
    expect((await runTl(["import", `${slow.host}/team/quick:1`], { home })).exitCode).toBe(0);
    const before = { listing: storeListing(home), ls: (await runTl(["ls"], { home })).stdout };
    const asked = slow.requests.length;
    const importing = ["import", `${slow.host}/team/slow:1`, "--output", join(place, "rootfs")];
    const running = startTl(importing, { home });
    await pullBegan(asked);
    running.kill(signal);
    const run = await running.ended;
    expect(run).toMatchObject({ exitCode: status, stdout: "" });
    expect(run.stderr).toContain("ERR_CANCELLED");
    expect(readdirSync(place)).toEqual([]);
    expect(storeListing(home)).toEqual(before.listing);
    expect((await runTl(["ls"], { home })).stdout).toBe(before.ls);
  },
);

test("after SIGKILL in mid-pull the next import removes what was left, and the name is free again", async () => {
  const home = scratchDirectory();
  const place = scratchDirectory();
  const output = join(place, "rootfs");
  const asked = slow.requests.length;
  const importing = ["import", `${slow.host}/team/slow:1`, "-n", "app", "--output", output];
  const running = startTl(importing, { home });
  await pullBegan(asked);
  running.kill("SIGKILL");
  expect((await running.ended).signal).toBe("SIGKILL");
  expect((await runTl(["ls"], { home })).stdout).toBe("No images found.\n");
  expect(existsSync(output)).toBe(false);
  const again = await runTl(
    ["import", `${slow.host}/team/quick:1`, "-n", "app", "--output", output],
    { home },
  );
  expect(again).toMatchObject({ exitCode: 0 });
  expect(readdirSync(place)).toEqual(["rootfs"]);
  expect(storeListing(home)).toMatchObject({ ingests: [] });
});
