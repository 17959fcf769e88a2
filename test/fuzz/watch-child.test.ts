import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scratchDirectory } from "../support/scratch.ts";
import type { Finding } from "./findings.ts";
import { watchChild } from "./watch-child.ts";

const LIMITS = { cpuSeconds: 1, sleepSeconds: 2, heapMib: 64, rssMib: 300 };

test.each([
  ["broken-rejection", "rejection", /a bug that nobody waits for/],
  ["broken-hang", "hang", /longer than 1 s of CPU/],
  ["broken-wait", "hang", /never ends/],
  ["broken-memory", "memory", /more than 300 MiB/],
  ["broken-heap", "crash", /SIGABRT/],
])("%s: the input that did it is reported as %s", async (target, kind, message) => {
  const notePath = join(scratchDirectory(), "note");
  writeFileSync(notePath, "");
  const stop = new AbortController();
  const findings: Finding[] = [];
  const next = await watchChild(
    { target, seed: 1, firstNumber: 0, seconds: 60, notePath },
    {
      signal: stop.signal,
      limits: LIMITS,
      onProgress: () => undefined,
      onFinding: (finding) => {
        findings.push(finding);
        if (finding.kind === "rejection") stop.abort();
      },
    },
  );
  const [first] = findings;
  expect(first?.message).toMatch(message);
  expect(first).toMatchObject({ target, kind, input: Buffer.from("bad").toString("base64") });
  // A process that was ended goes on with the next input; one that was stopped does not.
  expect(next === undefined).toBe(stop.signal.aborted);
});
