import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openExt4Image } from "../../src/ext4-reader/ext4-image.ts";
import { verifyVolume } from "../../src/ext4-reader/verify/verify-volume.ts";
import { openVolume } from "../../src/ext4-reader/volume.ts";
import { imageProblems } from "../support/ext4-check.ts";
import { liveThere, populate } from "../support/ext4/populate.ts";
import { imageRows } from "../support/image-rows.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { withMounted } from "../support/loop-mount.ts";
import { rootRows, rowDifferences } from "../support/root-rows.ts";
import { mustRun } from "../support/run-program.ts";
import { scratchDirectory } from "../support/scratch.ts";

const NEVER = new AbortController().signal;
const REFERENCE = "^resize_inode,^orphan_file,^metadata_csum_seed";

interface Made {
  readonly features?: string;
  readonly mib?: number;
  readonly more?: readonly string[];
  readonly from?: string;
}

async function makeFileSystem(imagePath: string, made: Made): Promise<void> {
  const { features, mib = 64, more = [], from } = made;
  await mustRun("mkfs.ext4", [
    "-q",
    "-F",
    ...(features === undefined ? [] : ["-O", features]),
    ...(from === undefined ? [] : ["-d", from]),
    ...more,
    imagePath,
    `${mib}M`,
  ]);
}

/** How our reader differs from the kernel, and what e2fsck and our check find: nothing. */
async function differences(imagePath: string): Promise<readonly unknown[]> {
  const rows = await withMounted(imagePath, "read-only", (root) =>
    rootRows(root, { withRoot: true }),
  );
  expect(rows.length).toBeGreaterThan(200);
  return [
    ...rowDifferences(await imageRows(await openExt4Image(imagePath)), rows),
    ...(await imageProblems(imagePath)),
    ...(await verifyVolume(imagePath, { signal: NEVER })).damage,
  ];
}

test.each([
  ["the features of the reference", { features: REFERENCE, more: ["-b", "4096"] }],
  ["the defaults of this mkfs", {}],
  ["all that newer ones have by default", { features: "orphan_file,metadata_csum_seed", mib: 200 }],
  ["short descriptors and no journal", { features: "^64bit,^has_journal" }],
  ["blocks of 2 KiB and inodes of 128 bytes", { more: ["-b", "2048", "-I", "128"] }],
  [
    "several groups, copies in all of them",
    { features: "^sparse_super,^resize_inode", mib: 600, more: ["-b", "4096"] },
  ],
  ["meta_bg", { features: "meta_bg,^resize_inode", mib: 300 }],
  ["no flex_bg, blocks of 1 KiB", { features: "^flex_bg", more: ["-b", "1024"] }],
] as const)("an image by mkfs -d is read as the kernel reads it: %s", async (_, made) => {
  const work = scratchDirectory();
  const from = join(work, "tree");
  mkdirSync(from);
  await populate(from, { names: 200 });
  const imagePath = join(work, "image");
  await makeFileSystem(imagePath, { ...made, from });
  expect(await differences(imagePath)).toEqual([]);
});

const FILLED: readonly (readonly [string, Made])[] = [
  ["the features of the reference", { features: REFERENCE, more: ["-b", "4096"] }],
  ["the defaults of this mkfs", { mib: 100 }],
  ["block pointers as of ext2", { features: "^extent,^64bit,^has_journal" }],
];

test.each(FILLED)(
  "an image that the kernel filled and lived in is read as the kernel reads it: %s",
  async (_, made) => {
    const imagePath = join(scratchDirectory(), "image");
    await makeFileSystem(imagePath, made);
    await withMounted(imagePath, "read-write", (root) => populate(root, { names: 3000 }));
    expect(await differences(imagePath)).toEqual([]);
    if (made.features?.startsWith("^extent") === true) return;
    await withMounted(imagePath, "read-write", liveThere);
    expect(await differences(imagePath)).toEqual([]);
  },
);

test.each([
  ["inline_data", "inline_data"],
  ["encrypt", "encrypt"],
  ["casefold", "casefold"],
  ["ea_inode", "ea_inode"],
  ["large_dir", "large_dir"],
  ["bigalloc", "bigalloc"],
])("a feature that it does not know is named: %s", async (features, name) => {
  const imagePath = join(scratchDirectory(), "image");
  await makeFileSystem(imagePath, { features });
  const error = await importErrorFrom(openVolume(imagePath));
  expect(error.code).toBe("ERR_SNAPSHOT_UNSUPPORTED");
  expect(error.message).toBe(`the image ${imagePath} uses what this reader does not know: ${name}`);
  expect((await importErrorFrom(verifyVolume(imagePath, { signal: NEVER }))).message).toBe(
    error.message,
  );
});

test.each([
  ["quota", "quota"],
  ["sparse_super2,^resize_inode", "sparse_super2"],
  ["^metadata_csum", "metadata without checksums"],
])(
  "a feature that keeps it from checking does not keep it from reading: %s",
  async (features, name) => {
    const imagePath = join(scratchDirectory(), "image");
    await makeFileSystem(imagePath, { features });
    await (await openVolume(imagePath)).file.close();
    const error = await importErrorFrom(verifyVolume(imagePath, { signal: NEVER }));
    expect(error.code).toBe("ERR_SNAPSHOT_UNSUPPORTED");
    expect(error.message).toContain(name);
  },
);
