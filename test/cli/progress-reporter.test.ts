import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { reportProgress } from "../../src/cli/progress-reporter.ts";
import type { ImportEvent } from "../../src/index.ts";
import { fakeStream, screenAfter } from "./fake-stream.ts";

const MIB = 2 ** 20;
const RESOLVED: ImportEvent = {
  type: "resolved",
  reference: "r.io/app:1",
  manifestDigest: "sha256:abc",
  platform: "linux/amd64",
  layers: [
    { digest: `sha256:${"1".repeat(64)}`, sizeBytes: MIB },
    { digest: `sha256:${"2".repeat(64)}`, sizeBytes: MIB },
  ],
  totalBytes: 2 * MIB,
};
const WARNING: ImportEvent = { type: "warning", code: "w", message: "odd\u001B[31m thing" };
const RESOLVED_LINE = "⚙️  Resolved r.io/app:1 to sha256:abc (linux/amd64, 2 layers, 2.00 MiB)";

function layer(
  index: number,
  state: "waiting" | "pulling" | "verified",
  bytes: number,
): ImportEvent {
  return {
    type: "layer_progress",
    layer: index,
    state,
    receivedBytes: bytes,
    decodedBytes: bytes,
    entries: 3,
  };
}

const IMPORT: readonly ImportEvent[] = [
  { type: "status", message: "Importing registry image app..." },
  { type: "status", message: "Selected image name: app" },
  RESOLVED,
  { type: "phase", phase: "pull" },
  layer(0, "pulling", 10),
  layer(0, "pulling", 1000),
  layer(1, "pulling", 5),
  WARNING,
  layer(0, "verified", MIB),
  layer(1, "verified", MIB),
  { type: "phase", phase: "seal" },
  { type: "phase", phase: "commit" },
  { type: "status", message: "Completing image registration..." },
  { type: "status", message: "Image 'app' registered (sandbox_template_1)" },
  { type: "image_registered", name: "app", image_id: "sandbox_template_1" },
  { type: "done" },
];

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("without a terminal: plain lines, the surface's first two and last two in their places", () => {
  const stream = fakeStream();
  const reporter = reportProgress(stream, { quiet: false, verbose: false, now: () => 1000 });
  for (const event of IMPORT) reporter.onEvent(event);
  reporter.finish();
  expect(stream.text().split("\n")).toEqual([
    "⚙️  Importing registry image app...",
    "⚙️  Selected image name: app",
    RESOLVED_LINE,
    String.raw`⚠️  odd\x1b[31m thing`,
    "⚙️  Layer 1 of 2 pulled and verified (111111111111, 1.00 MiB)",
    "⚙️  Layer 2 of 2 pulled and verified (222222222222, 1.00 MiB)",
    expect.stringMatching(/^⚙️ {2}Pulled 2 layers, 2\.00 MiB in .* 6 entries$/),
    "⚙️  Completing image registration...",
    "⚙️  Image 'app' registered (sandbox_template_1)",
    "",
  ]);
});

test("--verbose tells when a layer begins, once", () => {
  const stream = fakeStream();
  const reporter = reportProgress(stream, { quiet: false, verbose: true, now: () => 1000 });
  for (const event of IMPORT) reporter.onEvent(event);
  reporter.finish();
  expect(stream.text().match(/Layer 1 of 2 is being pulled/g)).toHaveLength(1);
});

test("--quiet: warnings only", () => {
  const stream = fakeStream({ isTerminal: true, canRedraw: true });
  const reporter = reportProgress(stream, { quiet: true, verbose: false });
  for (const event of IMPORT) reporter.onEvent(event);
  reporter.finish();
  expect(stream.text()).toBe("⚠️  odd\\x1b[31m thing\n");
});

test("on a terminal: a view below the lines that stay, and nothing of it at the end", () => {
  let now = 0;
  const stream = fakeStream({ isTerminal: true, canRedraw: true });
  const reporter = reportProgress(stream, { quiet: false, verbose: false, now: () => now });
  const frames: string[][] = [];
  for (const event of IMPORT) {
    now += 150;
    reporter.onEvent(event);
    vi.advanceTimersByTime(150);
    frames.push([...screenAfter(stream.text(), 80)]);
  }
  reporter.finish();
  expect(frames[5]).toEqual([
    "⚙️  Importing registry image app...",
    "⚙️  Selected image name: app",
    RESOLVED_LINE,
    expect.stringMatching(/^ {2}1\/2 {2}111111111111 .*1000 B \/ 1\.00 MiB {2}0%$/),
    expect.stringMatching(/^ {2}2\/2 {2}222222222222 .*waiting$/),
    expect.stringMatching(/^ {2}Pulling 0\/2 layers · 1000 B of 2\.00 MiB \(0%\)/),
    "",
  ]);
  expect(screenAfter(stream.text(), 80)).toEqual([
    "⚙️  Importing registry image app...",
    "⚙️  Selected image name: app",
    RESOLVED_LINE,
    String.raw`⚠️  odd\x1b[31m thing`,
    expect.stringMatching(/^⚙️ {2}Pulled 2 layers/),
    "⚙️  Completing image registration...",
    "⚙️  Image 'app' registered (sandbox_template_1)",
    "",
  ]);
});

test("the view is redrawn at most ten times a second, and not at all while nothing changes", () => {
  let now = 0;
  const stream = fakeStream({ isTerminal: true, canRedraw: true });
  const reporter = reportProgress(stream, { quiet: false, verbose: false, now: () => now });
  reporter.onEvent(RESOLVED);
  const before = stream.text().length;
  for (let event = 0; event < 500; event++) reporter.onEvent(layer(0, "pulling", event));
  expect(stream.text().length).toBe(before);
  now = 100;
  vi.advanceTimersByTime(100);
  const once = stream.text().length;
  expect(once).toBeGreaterThan(before);
  vi.advanceTimersByTime(300);
  expect(stream.text().length).toBe(once);
  reporter.finish();
});

test("after the terminal became narrower, the wrapped lines of the old view go too", () => {
  const stream = fakeStream({ isTerminal: true, canRedraw: true }, 80, 24);
  const reporter = reportProgress(stream, { quiet: false, verbose: false, now: () => 0 });
  reporter.onEvent(RESOLVED);
  reporter.onEvent(layer(0, "pulling", 1));
  vi.advanceTimersByTime(100);
  const before = stream.text();
  stream.resize(40, 24);
  const redrawn = stream.text().slice(before.length);
  // Two lines of 70 columns and more take two rows each at 40 columns, and the totals two.
  expect(redrawn.startsWith("\u001B[6A\r")).toBe(true);
  reporter.finish();
});

test("a dumb terminal gets plain lines", () => {
  const stream = fakeStream({ isTerminal: true, canRedraw: false, unicode: false });
  const reporter = reportProgress(stream, { quiet: false, verbose: false });
  for (const event of IMPORT) reporter.onEvent(event);
  reporter.finish();
  expect(stream.text()).toMatch(/^\* {2}Importing registry image app\.\.\.\n/);
  expect(stream.text()).not.toContain("\u001B");
});
