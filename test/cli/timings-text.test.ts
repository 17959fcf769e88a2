import { expect, test } from "vitest";
import { formatPreciseDuration } from "../../src/cli/quantities.ts";
import { timingsText } from "../../src/cli/timings-text.ts";
import type { ImportTimings } from "../../src/index.ts";
import { fakeStream } from "./fake-stream.ts";

const MIB = 2 ** 20;
const TIMINGS: ImportTimings = {
  durationMs: 2000,
  sizeBytes: 100 * MIB,
  decodedBytes: 300 * MIB,
  entries: 1234,
  stages: [
    { stage: "resolve", durationMs: 40.5 },
    { stage: "fetch", durationMs: 250, sizeBytes: 100 * MIB, bytesPerSecond: 400 * MIB },
    { stage: "sync", durationMs: 0 },
  ],
  layers: [
    {
      layer: 0,
      digest: `sha256:${"ab".repeat(32)}`,
      sizeBytes: 100 * MIB,
      decodedBytes: 300 * MIB,
      entries: 1234,
      durationMs: 1900,
      stages: [
        { stage: "turn", durationMs: 0 },
        { stage: "fetch", durationMs: 250, sizeBytes: 100 * MIB, bytesPerSecond: 400 * MIB },
        { stage: "inflate", durationMs: 950, sizeBytes: 300 * MIB, bytesPerSecond: 316 * MIB },
      ],
    },
  ],
  bottleneck: {
    resource: "processor",
    stage: "inflate",
    layer: 0,
    share: 0.61,
    shares: { network: 0.07, processor: 0.9, disk: 0.03 },
  },
};

test("the table has a line a stage that took time, figures under each other, and the bottleneck below", () => {
  expect(timingsText(TIMINGS, fakeStream())).toBe(
    `100 MiB in 2.00 s (50.0 MiB/s), 300 MiB unpacked, 1,234 entries
┌──────────────┬─────────┬─────────┬─────────┬───────────┬───────┐
│ Layer        ┆ Stage   ┆ Bytes   ┆ Time    ┆ Rate      ┆ Share │
╞══════════════╪═════════╪═════════╪═════════╪═══════════╪═══════╡
│ 1            ┆ fetch   ┆ 100 MiB ┆  250 ms ┆ 400 MiB/s ┆       │
│ abababababab ┆ inflate ┆ 300 MiB ┆  950 ms ┆ 316 MiB/s ┆   50% │
│ all          ┆ resolve ┆         ┆ 40.5 ms ┆           ┆       │
│              ┆ fetch   ┆ 100 MiB ┆  250 ms ┆ 400 MiB/s ┆       │
│              ┆ in all  ┆         ┆  2.00 s ┆           ┆       │
└──────────────┴─────────┴─────────┴─────────┴───────────┴───────┘
Bottleneck: processor (inflate, 61% of the time, by the way of layer 1, which ended last)
Network 7%, processor 90%, disk 3%
`,
  );
});

test("the layer that is named is the one whose way was followed, where there is one", () => {
  const { layer: _layer, ...without } = TIMINGS.bottleneck;
  const second = { ...TIMINGS, bottleneck: { ...without, layer: 1 } };
  expect(timingsText(second, fakeStream())).toContain("layer 2, which ended last");
  const none = { ...TIMINGS, bottleneck: without };
  expect(timingsText(none, fakeStream())).toContain("61% of the time)");
});

test("a terminal without box-drawing characters gets none", () => {
  expect(timingsText(TIMINGS, fakeStream({ unicode: false }))).toMatch(/^[ -~\n]+$/);
});

test.each([
  [0, "0.00 ms"],
  [0.4211, "0.42 ms"],
  [12.34, "12.3 ms"],
  [412, "412 ms"],
  [999.6, "1.00 s"],
  [2310, "2.31 s"],
  [59_900, "59.9 s"],
  [185_000, "3 min 05 s"],
])("%d ms, when it is compared, reads %s", (ms, text) => {
  expect(formatPreciseDuration(ms)).toBe(text);
});
