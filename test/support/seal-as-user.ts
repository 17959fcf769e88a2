import { createDirectorySink } from "../../src/sink/directory/directory-sink.ts";
import { posixAvailable } from "../../src/sink/posix.ts";
import { createPlacer, runSealTask } from "../../src/pool/worker-side.ts";
import { placeWith, sealContext } from "./seal-in-thread.ts";
import { buildTree, type TreeEntry } from "./tree-builder.ts";

/*
 * A program for tests: seals a tree as an ordinary user, and prints the result as JSON. Root becomes user and group 65534
 * first; the modules and koffi are loaded by then, so that the user need not be able to read the repository.
 *
 *     node seal-as-user.ts ROOTFS seal|abort      entries as JSON on stdin, contents in base64
 */
const NOBODY = 65_534;

type JsonEntry = Omit<TreeEntry, "content" | "xattrs"> & {
  readonly content?: string;
  readonly xattrs?: Readonly<Record<string, string>>;
};

async function readEntries(): Promise<TreeEntry[]> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(Buffer.from(part));
  const entries: JsonEntry[] = JSON.parse(Buffer.concat(parts).toString("utf8"));
  return entries.map(({ content, xattrs, ...rest }) =>
    Object.assign(
      rest,
      content === undefined ? {} : { content: Buffer.from(content, "base64") },
      xattrs === undefined
        ? {}
        : {
            xattrs: Object.fromEntries(
              Object.entries(xattrs).map(([name, hex]) => [name, Buffer.from(hex, "hex")]),
            ),
          },
    ),
  );
}

const [rootfsPath = "", what = "seal"] = process.argv.slice(2);
const entries = await readEntries();
if (!posixAvailable()) throw new Error("koffi has no binary here");
if (process.getuid?.() === 0) {
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
}
const sink = createDirectorySink({ rootfsPath, sameOwner: false });
await sink.prepare();
const placer = createPlacer(sink.placerPlan(0));
const tree = buildTree(entries, placeWith(placer));
placer.close();
const sealed = await sink.seal(tree, sealContext(runSealTask, { fsync: true }));
if (what === "abort") await sink.abort();
process.stdout.write(JSON.stringify(sealed));
