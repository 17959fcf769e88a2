import { ImportError } from "../../src/errors.ts";
import { openDirectoryReader } from "../../src/sink/directory/directory-reader.ts";
import { posixAvailable } from "../../src/sink/posix.ts";
import { joinPieces } from "./memory-reader.ts";

/*
 * A program for tests: reads all files of a directory as an ordinary user, and prints their contents or the error as JSON.
 * Root becomes user and group 65534 first; the modules and koffi are loaded by then.
 *
 *     node read-as-user.ts ROOTFS
 */
const NOBODY = 65_534;

async function contentsOf(rootfsPath: string): Promise<string> {
  const reader = await openDirectoryReader(rootfsPath, new AbortController().signal);
  const inodes = Array.from({ length: reader.tree.inodeCount }, (_, inode) => inode);
  return Buffer.concat(inodes.map((inode) => joinPieces(reader.contents(inode)))).toString(
    "latin1",
  );
}

const [rootfsPath = ""] = process.argv.slice(2);
if (!posixAvailable()) throw new Error("koffi has no binary here");
if (process.getuid?.() === 0) {
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
}
const answer = await contentsOf(rootfsPath).then(
  (contents) => ({ contents }),
  (error: unknown) => {
    if (!(error instanceof ImportError)) throw error;
    return { code: error.code, message: error.message, hint: error.hint };
  },
);
process.stdout.write(JSON.stringify(answer));
