import { expect, test } from "vitest";
import { measureScript } from "../../benchmarks/measure/measure-script.ts";
import { measureContestant } from "../../benchmarks/measure/measure-contestant.ts";
import { fieldOf, parseCpuSeconds } from "../../benchmarks/measure/proc-files.ts";
import { scratchDirectory } from "../support/scratch.ts";

const MIB = 2 ** 20;

test("what processes of a script used counts, those below a child that ended too", async () => {
  const script = `sh -c 'sh -c "head -c ${8 * MIB} /dev/zero > $W/x"; true'; true`;
  const measured = await measureContestant({ script }, scratchDirectory());
  expect(measured.error).toBeUndefined();
  expect(measured.writtenBytes).toBeGreaterThanOrEqual(8 * MIB);
  expect(measured.writtenBytes).toBeLessThan(9 * MIB);
});

test("the memory of processes that run side by side is added up, and the largest one is told", async () => {
  // Each waits for the other, and both then stay for many looks.
  const program = `const b = Buffer.alloc(80 * 2 ** 20, 1); const fs = require("fs");
    fs.writeFileSync(process.env.W + "/" + process.argv[1], "");
    const both = () => fs.existsSync(process.env.W + "/a") && fs.existsSync(process.env.W + "/b");
    setInterval(() => { if (both()) setTimeout(() => process.exit(b[0] - 1), 1000); }, 100)`;
  const script = `for name in a b; do ${process.execPath} -e '${program}' $name & done; wait`;
  const measured = await measureContestant({ script }, scratchDirectory());
  expect(measured.error).toBeUndefined();
  expect(measured.peakRssBytes).toBeGreaterThan(2 * 80 * MIB);
  expect(measured.largestProcessBytes).toBeGreaterThan(80 * MIB);
  expect(measured.largestProcessBytes).toBeLessThan(measured.peakRssBytes);
  expect(measured.cpuSeconds).toBeGreaterThan(0);
});

test("a daemon's work for a script counts, not what it did before", async () => {
  const directory = scratchDirectory();
  const copy = (from: string, to: string): string =>
    `head -c ${4 * MIB} /dev/zero > ${from} && mv ${from} ${to}`;
  const daemon = `${copy("$W/a", "$W/ready")}; while [ ! -e $W/go ]; do sleep 0.02; done; ${copy("$W/b", "$W/done")}; exec sleep 60`;
  const measured = await measureContestant(
    {
      daemon: { words: ["sh", "-c", daemon], readyFile: "ready" },
      script: "touch $W/go; while [ ! -e $W/done ]; do sleep 0.02; done",
    },
    directory,
  );
  expect(measured.error).toBeUndefined();
  expect(measured.writtenBytes).toBeGreaterThanOrEqual(4 * MIB);
  expect(measured.writtenBytes).toBeLessThan(5 * MIB);
});

test("a script that fails is a measurement with the end of what it said", async () => {
  const measured = await measureScript({ script: "echo no such image >&2; exit 3" });
  expect(measured.error).toBe("no such image");
  expect((await measureScript({ script: "exit 3" })).error).toBe("exit 3");
});

test("stdout is kept when asked for", async () => {
  const measured = await measureScript({ script: "echo 42", keepOutput: true });
  expect(measured.output).toBe("42\n");
});

test("the name of a process cannot shift the fields of its stat", () => {
  const stat = `1 (a) b 9 9) S ${Array.from({ length: 49 }, (_, at) => at + 4).join(" ")}`;
  expect(parseCpuSeconds(stat)).toBe((14 + 15 + 16 + 17) / 100);
});

test("a field is found by its whole name", () => {
  expect(fieldOf("rchar: 1\nwchar: 2\n", "char")).toBe(0);
  expect(fieldOf("rchar: 1\nwchar: 2\n", "wchar")).toBe(2);
  expect(fieldOf("VmRSS:\t    512 kB\n", "VmRSS")).toBe(512);
});
