import { expect, test } from "vitest";
import { runChaos } from "./support/chaos/chaos-run.ts";

test("imports end with the right bytes or the error that names the fault, whatever registries do", async () => {
  const { tally, findings } = await runChaos({
    seed: 7,
    imports: 24,
    lanes: 12,
    formats: ["erofs"],
  });
  expect(findings).toEqual([]);
  expect(tally.imports).toBe(24);
  // Else the run would say nothing about faults, or nothing about successes.
  expect(tally.faults).toBeGreaterThan(15);
  expect(tally.succeeded).toBeGreaterThan(5);
}, 300_000);
