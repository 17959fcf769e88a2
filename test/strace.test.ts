import { join } from "node:path";
import { expect, test } from "vitest";
import { listAt, loadCases, type LayerCase } from "./support/case-kit/case-json.ts";
import { runCase } from "./support/case-kit/run-case.ts";
import { scratchDirectory } from "./support/scratch.ts";
import { violationsOf } from "./support/strace/allowed-paths.ts";
import { CALLS_A_FILE, callsPerFile } from "./support/strace/count-calls.ts";
import { touchesOf } from "./support/strace/path-calls.ts";
import { parseTrace } from "./support/strace/trace-lines.ts";
import { tracedImports } from "./support/strace/traced-import.ts";
import { tracePull } from "./support/strace/traced-pull.ts";

/** Of the classes about names, one each; `npm run test:strace` runs all cases. */
const HOSTILE = [
  ["duplicates", "dir-then-symlink-then-child"],
  ["hardlinks", "hardlink-to-symlink-outside"],
  ["image", "layer-digest-traversal"],
  ["names", "name-absolute-canary"],
  ["parents", "symlink-absolute-outside"],
  ["replace", "file-over-symlink-to-outside"],
  ["special", "device-0-0-over-file"],
  ["whiteouts", "whiteout-does-not-follow-symlinks"],
] as const;
/** Of the other classes, as layers of one image. */
const TOGETHER = [
  ["compression", "layer-zstd-frames"],
  ["damage", "entries-after-end"],
  ["formats", "pax-header-name-irrelevant"],
  ["metadata", "symlink-metadata-not-outside"],
  ["xattrs", "xattr-overlay-redirect"],
] as const;

function caseOf(file: string, name: string): LayerCase {
  const path = join(import.meta.dirname, `../testdata/corpus/layers/${file}.json`);
  const layerCase = loadCases(path).find((candidate) => candidate.name === name);
  if (layerCase === undefined) throw new Error("no such case");
  return layerCase;
}

/** What the case kit and the check of traces find. */
async function tracedProblems(
  layerCase: LayerCase,
  sink: "directory" | "ext4" = "directory",
): Promise<readonly string[]> {
  const violations: string[] = [];
  let calls = 0;
  const traced = tracedImports((run) => {
    violations.push(...run.violations);
    calls += run.calls;
  });
  const problems = await runCase(layerCase, sink, traced);
  const blind = calls > 1000 ? [] : [`only ${calls} calls were traced`];
  return [...problems, ...violations, ...blind];
}

test.each(HOSTILE)("a hostile case of %s touches nothing outside: %s", async (file, name) => {
  // Names are a danger to directories; of disk images, one class is enough here.
  const sink = file === "special" ? "ext4" : "directory";
  expect(await tracedProblems(caseOf(file, name), sink)).toEqual([]);
});

test("hostile cases of the other classes, in one image, touch nothing outside", async () => {
  const cases = TOGETHER.map(([file, name]) => caseOf(file, name));
  const layers = cases.flatMap(({ fields }) => listAt(fields, "layers"));
  const fields = { layers, expect: { tree: {}, open: true } };
  const together = { name: "together", file: "together", fields };
  expect(await tracedProblems(together)).toEqual([]);
});

test("a pull with a login reads the user's configuration, and nothing else of the machine", async () => {
  expect(await tracePull(scratchDirectory())).toMatchObject({ exitCode: 0, violations: [] });
});

test.each(["dir", "ext4"] as const)("a file costs few system calls: %s", async (format) => {
  const calls = await callsPerFile(format, scratchDirectory(), [100, 2100]);
  expect(calls).toBeLessThan(CALLS_A_FILE[format]);
});

const PREMISES = {
  home: "/t/home",
  outputPath: "/t/near/out",
  sources: ["/t/layout"],
  configuration: ["/t/user/.docker/config.json"],
};
const STAGED = "/t/near/.out.rootlift-abc/rootfs";

function violationsIn(...lines: readonly string[]): readonly string[] {
  const text = lines.map((line) => `12 ${line}\n`).join("");
  return violationsOf(touchesOf(parseTrace(text)), PREMISES);
}

/** What each trace begins with: the root and a fifo in it. */
const BEGIN = [
  `openat(AT_FDCWD</t>, "${STAGED}", O_RDONLY|O_NOFOLLOW|O_DIRECTORY) = 7<${STAGED}>`,
  `mknodat(7<${STAGED}>, "fifo", S_IFIFO|0644, 0) = 0`,
];

test.each([
  [
    "writes outside",
    `openat(AT_FDCWD</t>, "/t/near/file", O_WRONLY|O_CREAT|O_EXCL, 0644) = 3</t/near/file>`,
  ],
  [
    "reads outside",
    `openat(AT_FDCWD</t>, "/etc/shadow", O_RDONLY) = -1 EACCES (Permission denied)`,
  ],
  ["writes what it may read", `unlink("/t/layout/index.json") = 0`],
  [
    "writes the configuration",
    `openat(AT_FDCWD</t>, "/t/user/.docker/config.json", O_RDWR) = 3</t/user/.docker/config.json>`,
  ],
  ["climbs by its name", `mkdirat(7<${STAGED}>, "../../../x", 0755) = 0`],
  [
    "climbs to the directory above the staging place",
    `unlinkat(7</t/near/.out.rootlift-abc>, "../file", 0) = 0`,
  ],
  ["is led out by a link", `openat(7<${STAGED}>, "a", O_WRONLY|O_NOFOLLOW) = 8</t/near/file>`],
  ["runs a program of the image", `execve("${STAGED}/bin/sh", ["sh"], 0x7ff /* 9 vars */) = 0`],
  ["runs a program of the machine", `execve("/bin/sh", ["sh"], 0x7ff /* 9 vars */) = 0`],
  [
    "opens a fifo of the image",
    `openat(7<${STAGED}>, "fifo", O_RDONLY|O_NOFOLLOW) = 8<${STAGED}/fifo>`,
  ],
  ["lets others in too early", `mkdir("/t/near/.out.rootlift-abc", 0755) = 0`],
  [
    "joins names of a layer to a path",
    `openat(AT_FDCWD</t>, "${STAGED}/a", O_WRONLY|O_CREAT|O_EXCL) = 8<${STAGED}/a>`,
  ],
  [
    "goes through what may be a link",
    `openat(7<${STAGED}>, "a/b", O_WRONLY|O_CREAT|O_EXCL) = 8<${STAGED}/a/b>`,
  ],
  [
    "goes through what may be a link by /proc",
    `lsetxattr("/proc/self/fd/7/a/b", "user.x", "", 0, 0) = 0`,
  ],
  ["follows a link of a layer", `fchmodat(7<${STAGED}>, "a", 0644) = 0`],
  ["opens what may be a link", `openat(7<${STAGED}>, "a", O_RDONLY) = 8<${STAGED}/a>`],
  ["links a file of the machine", `linkat(AT_FDCWD</t>, "/etc/passwd", 7<${STAGED}>, "a", 0) = 0`],
  ["renames out of the output", `renameat(7<${STAGED}>, "a", AT_FDCWD</t>, "/t/near/a") = 0`],
  [
    "talks to a socket of the machine",
    `connect(9<socket:[5]>, {sa_family=AF_UNIX, sun_path="/run/docker.sock"}, 110) = 0`,
  ],
  [
    "changes a canary in two halves",
    `chown("/t/near/file", 0 <unfinished ...>\n12 <... chown resumed>, 0) = 0`,
  ],
])("the check of traces finds a run that %s", (_what, line) => {
  expect(violationsIn(...BEGIN, line)).toHaveLength(1);
});

test.each([
  `openat2(7<${STAGED}>, "a", {flags=O_RDONLY}, 24) = 8<${STAGED}/a>`,
  `mount("/dev/sda", "/mnt", "ext4", 0, NULL) = 0`,
  `io_uring_setup(256, {flags=0}) = 3<anon_inode:[io_uring]>`,
  `openat(AT_FDCWD</t>, "/t/home/aaa"..., O_RDONLY) = 3</t/home/aaa>`,
])("the check of traces does not pass over what it does not know: %s", (line) => {
  expect(() => violationsIn(...BEGIN, line)).toThrow(/./);
});

test("the check of traces accepts what an import does", () => {
  const found = violationsIn(
    ...BEGIN,
    `openat(7<${STAGED}>, "fifo", O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_PATH) = 11<${STAGED}/fifo>`,
    `openat(7<${STAGED}>, "a\\nb\\377", O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW, 0644) = 8<${STAGED}/a\\nb\\377>`,
    `utimensat(8<${STAGED}/a\\nb\\377>, NULL, [{tv_sec=1, tv_nsec=0} /* 1970-01-01T00:00:01+0000 */], 0) = 0`,
    `symlinkat("../../../../etc/passwd", 7<${STAGED}>, "l, \\"(") = 0`,
    `lsetxattr("/proc/self/fd/7/l", "user.x", "1", 1, 0) = 0`,
    `chmod("/proc/self/fd/8", 0644) = 0`,
    `mkdirat(7, "usr", 0700) = 0`,
    `mkdirat(7, "usr/bin", 0700) = 0`,
    `openat(7, "usr/bin", O_RDONLY|O_NOFOLLOW|O_DIRECTORY) = 8<${STAGED}/usr/bin>`,
    // Deeper than PATH_MAX: strace does not know where.
    `mkdirat(7, "deep", 0700) = 0`,
    `openat(7, "deep", O_RDONLY|O_NOFOLLOW|O_DIRECTORY) = 9`,
    `openat(9, "x", O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW, 0644) = 10`,
    `renameat(AT_FDCWD</t>, "${STAGED}", AT_FDCWD</t>, "/t/near/out") = 0`,
    `openat(AT_FDCWD</t>, "/t/near", O_RDONLY|O_DIRECTORY) = 3</t/near>`,
    `openat(AT_FDCWD</t>, "/t/user/.docker/config.json", O_RDONLY) = 3</t/user/.docker/config.json>`,
  );
  expect(found).toEqual([]);
});
