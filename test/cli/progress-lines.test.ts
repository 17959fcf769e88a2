import { expect, test } from "vitest";
import { eventSentence, paceSentence } from "../../src/cli/progress-lines.ts";
import { applyEvent, initialProgress, takeSample } from "../../src/cli/progress-state.ts";
import type { ImportEvent } from "../../src/index.ts";

const MIB = 2 ** 20;
const RESOLVED: ImportEvent = {
  type: "resolved",
  reference: "docker.io/library/alpine:3.20",
  manifestDigest: `sha256:${"a".repeat(64)}`,
  platform: "linux/amd64",
  layers: [
    { digest: `sha256:${"1".repeat(64)}`, sizeBytes: 60 * MIB },
    { digest: `sha256:${"2".repeat(64)}`, sizeBytes: 40 * MIB },
  ],
  totalBytes: 100 * MIB,
};

function progress(
  layer: number,
  receivedBytes: number,
  state: "pulling" | "verified",
): ImportEvent {
  return { type: "layer_progress", layer, state, receivedBytes, decodedBytes: 0, entries: 10 };
}

test("each event has its sentence", () => {
  const state = initialProgress(0);
  const say = (event: ImportEvent, verbose = false): string | undefined => {
    applyEvent(state, event, 2000);
    return eventSentence(event, state, 2000, verbose);
  };
  expect(say({ type: "status", message: "Importing registry image a..." })).toBe(
    "Importing registry image a...",
  );
  expect(say(RESOLVED)).toBe(
    `Resolved docker.io/library/alpine:3.20 to sha256:${"a".repeat(64)} (linux/amd64, 2 layers, 100 MiB)`,
  );
  expect(say(progress(0, 1, "pulling"))).toBeUndefined();
  expect(say(progress(0, 1, "pulling"), true)).toBe(
    "Layer 1 of 2 is being pulled (111111111111, 60.0 MiB)",
  );
  expect(say(progress(0, 60 * MIB, "verified"))).toBe(
    "Layer 1 of 2 pulled and verified (111111111111, 60.0 MiB)",
  );
  expect(say(progress(1, 40 * MIB, "verified"), true)).toBe(
    "Layer 2 of 2 pulled and verified (222222222222, 40.0 MiB): 10 entries",
  );
  expect(
    say({ type: "retry", what: "layer 1", why: "reset\u001B[2J", attempt: 2, delayMs: 500 }),
  ).toBe(String.raw`Retrying layer 1 in 0.5 s (attempt 2): reset\x1b[2J`);
  expect(say({ type: "phase", phase: "seal" })).toBe(
    "Pulled 2 layers, 100 MiB in 2.0 s (50.0 MiB/s), 20 entries",
  );
  expect(say({ type: "phase", phase: "commit" })).toBeUndefined();
  expect(say({ type: "done" })).toBeUndefined();
});

test("a line a tenth of a long pull, none of a quick one, and one every ten seconds of a stall", () => {
  const state = initialProgress(0);
  const pace = { atMs: 0, tenth: 0 };
  applyEvent(state, RESOLVED, 0);
  const told: string[] = [];
  const at = (seconds: number, receivedMib: number): void => {
    applyEvent(state, progress(0, receivedMib * MIB, "pulling"), seconds * 1000);
    takeSample(state, seconds * 1000);
    const sentence = paceSentence(state, pace, seconds * 1000);
    if (sentence !== undefined) told.push(`${seconds}: ${sentence}`);
  };
  at(1, 9);
  at(1.5, 19);
  at(2, 20);
  at(3, 29);
  at(4, 30);
  at(5, 31);
  at(9, 39);
  at(10, 39);
  at(14, 39);
  at(20, 39);
  at(23.9, 39);
  at(24, 39);
  expect(told).toEqual([
    "2: Pulled 20% (20.0 MiB of 100 MiB), 11.0 MiB/s, 7.3 s left",
    "4: Pulled 30% (30.0 MiB of 100 MiB), 7.00 MiB/s, 10 s left",
    expect.stringMatching(/^14: Pulled 39% \(39\.0 MiB of 100 MiB\), /),
    expect.stringMatching(/^24: Pulled 39% \(39\.0 MiB of 100 MiB\), 0 B\/s$/),
  ]);
});

test("a long step without bytes tells that it goes on", () => {
  const state = initialProgress(0);
  applyEvent(state, RESOLVED, 0);
  applyEvent(state, { type: "phase", phase: "seal" }, 1000);
  const pace = { atMs: 1000, tenth: 10 };
  expect(paceSentence(state, pace, 5000)).toBeUndefined();
  expect(paceSentence(state, pace, 12_000)).toBe("Writing the root filesystem: 11 s so far");
  expect(paceSentence(state, pace, 13_000)).toBeUndefined();
});
