import fc from "fast-check";
import { expect, test } from "vitest";
import { displayWidth } from "../../src/cli/display-width.ts";
import { progressFrame } from "../../src/cli/progress-frame.ts";
import { applyEvent, initialProgress, type ProgressState } from "../../src/cli/progress-state.ts";
import type { ImportEvent } from "../../src/index.ts";

const MIB = 2 ** 20;
const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;

function resolved(...sizes: readonly number[]): ImportEvent {
  return {
    type: "resolved",
    reference: "docker.io/library/app:1",
    manifestDigest: digest("f"),
    platform: "linux/amd64",
    layers: sizes.map((sizeBytes, index) => ({
      digest: digest((index % 10).toString()),
      sizeBytes,
    })),
    totalBytes: sizes.reduce((sum, size) => sum + size, 0),
  };
}

function layer(
  index: number,
  state: "waiting" | "pulling" | "verified",
  receivedBytes: number,
  entries = 0,
): ImportEvent {
  return { type: "layer_progress", layer: index, state, receivedBytes, decodedBytes: 0, entries };
}

function stateAfter(events: readonly (readonly [number, ImportEvent])[]): ProgressState {
  const state = initialProgress(0);
  for (const [atMs, event] of events) applyEvent(state, event, atMs);
  return state;
}

const MIDWAY = stateAfter([
  [0, resolved(10 * MIB, 20 * MIB, 30 * MIB)],
  [0, layer(0, "pulling", 0)],
  [1000, layer(0, "verified", 10 * MIB, 500)],
  [2000, layer(1, "pulling", 5 * MIB, 70)],
]);

test("in mid-pull: a line a layer, then what is done, how fast, and how long it takes", () => {
  expect(progressFrame(MIDWAY, 2000, { columns: 100, rows: 24, unicode: true })).toEqual([
    "  1/3  000000000000  ████████████████████████████████████████             10.0 MiB  verified",
    "  2/3  111111111111  ██████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  5.00 MiB / 20.0 MiB  25%",
    "  3/3  222222222222  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░             30.0 MiB  waiting",
    "  Pulling 1/3 layers · 15.0 MiB of 60.0 MiB (25%) · 7.50 MiB/s · 6.0 s left",
  ]);
});

test("without Unicode the same in ASCII", () => {
  const lines = progressFrame(MIDWAY, 2000, { columns: 80, rows: 24, unicode: false });
  expect(lines[1]).toBe(
    "  2/3  111111111111  ######....................  5.00 MiB / 20.0 MiB  25%",
  );
  expect(lines[3]).toBe("  Pulling 1/3 layers, 15.0 MiB of 60.0 MiB (25%), 7.50 MiB/s, 6.0 s left");
});

function at(columns: number): readonly string[] {
  return progressFrame(MIDWAY, 2000, { columns, rows: 24, unicode: true });
}

test("a narrow terminal loses the bar first, then the digest, then the end of the line", () => {
  expect(at(60)[3]).toBe("  Pulling 1/3 layers · 25% · 7.50 MiB/s · 6.0 s left");
  expect(at(60)[1]).toBe("  2/3  111111111111  5.00 MiB / 20.0 MiB  25%");
  expect(at(45)[1]).toBe("  2/3  5.00 MiB / 20.0 MiB  25%");
  expect(at(20)[1]).toBe("  2/3  5.00 MiB / …");
  expect(at(1)).toEqual(["…", "…", "…", "…"]);
});

test("more layers than rows: those being pulled stay, the others are counted", () => {
  const state = stateAfter([
    [0, resolved(...Array.from({ length: 40 }, () => MIB))],
    ...Array.from({ length: 10 }, (_, index): [number, ImportEvent] => [
      0,
      layer(index, "verified", MIB),
    ]),
    [0, layer(25, "pulling", MIB / 2)],
    [0, layer(30, "pulling", MIB / 4)],
  ]);
  expect(
    progressFrame(state, 100, { columns: 80, rows: 5, unicode: true }).map((line) =>
      line.replace(/ {2,}.*(?= {2}\S+$)/, " ..."),
    ),
  ).toEqual([
    expect.stringMatching(/^ \.\.\. {2}50%$/),
    expect.stringMatching(/^ \.\.\. {2}25%$/),
    "  … 38 more layers: 28 waiting, 10 verified",
    expect.stringMatching(/Pulling 10\/40 layers/),
  ]);
  expect(progressFrame(state, 100, { columns: 80, rows: 2, unicode: true })).toHaveLength(1);
});

test("when all bytes are here it is unpacking, and the later steps say so", () => {
  const state = stateAfter([
    [0, resolved(MIB)],
    [1000, layer(0, "pulling", MIB)],
  ]);
  const size = { columns: 80, rows: 24, unicode: true };
  expect(progressFrame(state, 1000, size)).toEqual([
    "  1/1  000000000000  ██████████████████████████  1.00 MiB / 1.00 MiB  unpacking",
    "  Unpacking 0/1 layers · 1.00 MiB of 1.00 MiB (100%)",
  ]);
  applyEvent(state, layer(0, "verified", MIB, 1234), 1500);
  applyEvent(state, { type: "phase", phase: "seal" }, 2000);
  expect(progressFrame(state, 5000, size).at(-1)).toBe(
    "  Writing the root filesystem · 1,234 entries · 3.0 s",
  );
  applyEvent(state, { type: "phase", phase: "commit" }, 6000);
  expect(progressFrame(state, 6000, size).at(-1)).toBe("  Registering · 1,234 entries · 0.0 s");
});

test("before anything is known it says that it resolves", () => {
  expect(progressFrame(initialProgress(0), 1500, { columns: 80, rows: 24, unicode: true })).toEqual(
    ["  Resolving · 1.5 s"],
  );
});

test("a stall shows: the rate falls although no event comes", () => {
  const state = stateAfter([
    [0, resolved(60 * MIB)],
    [0, layer(0, "pulling", 0)],
    [2000, layer(0, "pulling", 20 * MIB)],
  ]);
  const rateAt = (nowMs: number): string =>
    /· (\S+ \S+\/s)/.exec(
      progressFrame(state, nowMs, { columns: 100, rows: 9, unicode: true }).at(-1) ?? "",
    )?.[1] ?? "";
  expect(rateAt(2000)).toBe("10.0 MiB/s");
  expect(rateAt(20_000)).toBe("1.00 MiB/s");
});

test("no frame is wider or higher than the terminal, or holds a control character", () => {
  const events = fc.array(
    fc.record({
      index: fc.nat(12),
      state: fc.constantFrom("waiting", "pulling", "verified" as const),
      bytes: fc.double({ min: 0, max: 2 ** 45, noNaN: true }),
    }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(
      events,
      fc.array(fc.nat(2 ** 40), { maxLength: 12 }),
      fc.record({
        columns: fc.integer({ min: 1, max: 200 }),
        rows: fc.integer({ min: 1, max: 30 }),
        unicode: fc.boolean(),
      }),
      (layers, sizes, size) => {
        const state = initialProgress(0);
        applyEvent(state, resolved(...sizes), 0);
        for (const [step, event] of layers.entries()) {
          applyEvent(state, layer(event.index, event.state, Math.floor(event.bytes)), step * 100);
        }
        const frame = progressFrame(state, 5000, size);
        expect(frame.length).toBeLessThanOrEqual(Math.max(1, size.rows - 1));
        for (const line of frame) {
          expect(displayWidth(line)).toBeLessThanOrEqual(Math.max(1, size.columns - 1));
          expect(line).not.toMatch(/\p{Cc}/u);
        }
      },
    ),
  );
});

test("a digest that is none cannot reach the terminal raw", () => {
  const state = initialProgress(0);
  const hostile = "sha256:\u001B]0;owned\u0007";
  const event = resolved(1);
  if (event.type !== "resolved") throw new Error("unreachable");
  applyEvent(state, { ...event, layers: [{ digest: hostile, sizeBytes: 1 }] }, 0);
  expect(progressFrame(state, 0, { columns: 80, rows: 24, unicode: true })[0]).toContain(
    String.raw`\x1b]0;owned`,
  );
});
