import { lstatSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { xattrEntryHash } from "../../../src/sink/ext4/xattrs.ts";
import { writeImage } from "../../support/ext4-image.ts";
import { importErrorOf } from "../../support/import-error.ts";
import { withMounted } from "../../support/loop-mount.ts";
import { mustRun } from "../../support/run-program.ts";
import { scratchDirectory } from "../../support/scratch.ts";
import { debugfs, directory, faithfulImage, file, soundImage } from "../../support/sound-image.ts";
import type { TreeEntry } from "../../support/tree-builder.ts";
import { ACL, aclBytes, CAPABILITY, MINIMAL_ACL } from "../../support/xattr-values.ts";

function value(length: number, text = "v"): Buffer {
  return Buffer.alloc(length, text);
}

test("the hash of an entry is that of the kernel", () => {
  expect(xattrEntryHash(Buffer.from("a"), Buffer.from("small"))).toBe(0x6d73_6c6c);
  expect(xattrEntryHash(Buffer.from("capability"), CAPABILITY)).toBe(0x8a61_82aa);
});

test("attributes of any size are read back, in the inode and in a block", async () => {
  const { path } = await faithfulImage(
    [
      { ...file("small"), xattrs: { "user.a": value(1) } },
      { ...file("exactly the inode"), xattrs: { "user.a": value(88 - 20) } },
      { ...file("just not the inode"), xattrs: { "user.a": value(88 - 19) } },
      { ...file("both"), xattrs: { "user.a": value(60), "user.b": value(60), "user.c": value(3) } },
      { ...file("empty value"), xattrs: { "user.none": Buffer.of(), "user.no": Buffer.of() } },
      { ...file("long name"), xattrs: { [`user.${"n".repeat(250)}`]: value(5) } },
      { ...file("names"), xattrs: { "user.\xff\x80": value(3), "security.x": value(200) } },
      {
        ...file("many"),
        xattrs: Object.fromEntries(
          Array.from({ length: 40 }, (_, n) => [`user.${"k".repeat(n % 7)}${n}`, value(n)]),
        ),
      },
      { ...file("capability"), xattrs: { "security.capability": CAPABILITY } },
      directory("directory", { xattrs: { "user.d": value(1000) } }),
    ],
    { diskMib: 16 },
  );
  expect(await debugfs(path, 'stat "exactly the inode"')).toContain("File ACL: 0\n");
  expect(await debugfs(path, 'stat "just not the inode"')).not.toContain("File ACL: 0\n");
  expect(await debugfs(path, "stat both")).toContain("Blockcount: 16\n");
  expect(await debugfs(path, "ea_get capability security.capability")).toContain(
    "01 00 00 02 00 20",
  );
  await withMounted(path, "read-only", async (root) => {
    expect(await mustRun("getcap", [join(root, "capability")])).toContain("cap_net_raw=ep");
  });
});

test("4,060 bytes fit the block, one more does not", async () => {
  const limit = 4060 - 20;
  await faithfulImage([{ ...file("a"), xattrs: { "user.big": value(limit) } }]);
  const entry = { ...file("usr/b"), xattrs: { "user.big": value(limit + 1), "user.x": value(9) } };
  const error = importErrorOf(() => writeImage(join(scratchDirectory(), "a"), [entry]));
  expect(error.code).toBe("ERR_LIMIT_EXCEEDED");
  expect(error.message).toBe(
    '"usr/b" has extended attributes of 4064 bytes (the largest, "user.big", has 4041); ext4 holds 4060 a file',
  );
  expect(error.details).toEqual({
    path: "usr/b",
    attribute: "user.big",
    bytes: 4064,
    limit: 4060,
  });
});

test("equal blocks are shared, by 1,024 inodes at most", async () => {
  const entries = Array.from({ length: 1500 }, (_, n): TreeEntry => ({
    ...file(`f${n}`, ""),
    xattrs: { "user.label": value(300) },
  }));
  const { path, result } = await faithfulImage(entries);
  const blockOf = async (name: string): Promise<string | undefined> =>
    /File ACL: (\d+)/.exec(await debugfs(path, `stat ${name}`))?.[1];
  expect(await blockOf("f0")).toBe(await blockOf("f1"));
  const { result: without } = await soundImage(entries.map((entry) => file(entry.path, "")));
  expect(result.usedBlocks - without.usedBlocks).toBe(2);
});

test("thousands of different attributes have a block each", async () => {
  const entries = Array.from({ length: 2000 }, (_, n): TreeEntry => ({
    ...file(`f${n}`, ""),
    xattrs: { "user.n": value(100, `${n} `) },
  }));
  const { result } = await faithfulImage(entries, { diskMib: 32 });
  expect(result.usedBlocks).toBeGreaterThan(2000);
});

test("an access ACL is the kernel's when it is read, and the mode is its own", async () => {
  const entries = [
    { ...file("a"), mode: 0o4777, xattrs: { "system.posix_acl_access": ACL } },
    directory("d", { mode: 0o700, xattrs: { "system.posix_acl_default": ACL } }),
    directory("both", {
      mode: 0o2000,
      xattrs: { "system.posix_acl_default": MINIMAL_ACL, "system.posix_acl_access": ACL },
    }),
  ];
  const { path, result } = await soundImage(entries);
  expect(result.omissions).toEqual([]);
  await withMounted(path, "read-only", async (root) => {
    const read = (name: string, attribute: string): Promise<string> =>
      mustRun("python3", [
        "-c",
        "import os, sys; print(os.getxattr(sys.argv[1], sys.argv[2]).hex())",
        join(root, name),
        `system.posix_acl_${attribute}`,
      ]);
    expect(await read("a", "access")).toBe(`${ACL.toString("hex")}\n`);
    expect(await read("d", "default")).toBe(`${ACL.toString("hex")}\n`);
    expect(await read("both", "default")).toBe(`${MINIMAL_ACL.toString("hex")}\n`);
    const modeOf = (name: string): string =>
      (lstatSync(join(root, name)).mode & 0o7777).toString(8);
    expect([modeOf("a"), modeOf("d"), modeOf("both")]).toEqual(["4650", "700", "2650"]);
  });
});

test("an ACL that says no more than the mode becomes the mode", async () => {
  const entry = { ...file("a"), mode: 0o4600, xattrs: { "system.posix_acl_access": MINIMAL_ACL } };
  const { path, result } = await soundImage([entry]);
  expect(result.omissions).toEqual([]);
  expect(await debugfs(path, "ea_list a")).not.toContain("posix_acl");
  expect(await debugfs(path, "stat a")).toContain("Mode:  04714");
});

test("what ext4 cannot hold is left out and listed by path", async () => {
  const link = { path: "link", type: "symlink", target: "x" } as const;
  const { path, result } = await soundImage([
    {
      ...file("a\x1b"),
      xattrs: {
        "com.apple.quarantine": value(3),
        "system.nfs4_acl": value(3),
        "user.": value(3),
        "security.capability": value(3),
        "system.posix_acl_default": ACL,
        "user.kept": value(3),
      },
    },
    { ...link, xattrs: { "user.a": value(1), "system.posix_acl_access": ACL } },
    {
      ...file("b"),
      xattrs: {
        "system.posix_acl_access": aclBytes([
          [1, 6],
          [0x20, 4],
        ]),
      },
    },
    { ...file("c"), xattrs: { "system.posix_acl_access": Buffer.of() } },
  ]);
  expect(result.omissions).toEqual([
    "a\\x1b: com.apple.quarantine left out (ext4 has no place for that name)",
    "a\\x1b: security.capability left out (not a set of capabilities)",
    "a\\x1b: system.nfs4_acl left out (ext4 has no place for that name)",
    "a\\x1b: system.posix_acl_default left out (only a directory holds it)",
    "a\\x1b: user. left out (ext4 has no place for that name)",
    "b: system.posix_acl_access left out (not a valid ACL)",
    "link: system.posix_acl_access left out (a symlink has no ACL)",
    "link: user.a left out (only files and directories hold it)",
  ]);
  expect(await debugfs(path, "ea_list <12>")).toContain("user.kept");
});
