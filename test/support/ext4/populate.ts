import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setRawXattr } from "../read-directory.ts";
import { mustRun } from "../run-program.ts";
import { ACL, CAPABILITY } from "../xattr-values.ts";

const BLOCK = 4096;

/** Fills a directory with something of everything that a file system can hold. Takes root. */
export async function populate(root: string, options: { readonly names: number }): Promise<void> {
  const path = (name: string): string => join(root, name);
  mkdirSync(path("etc/deep/er/still"), { recursive: true });
  writeFileSync(path("etc/passwd"), "root:x:0:0::/root:/bin/sh\n");
  writeFileSync(path("etc/empty"), "");
  writeFileSync(path("large"), Buffer.alloc(3_000_001, "large file "));
  for (let hole = 0, fd = openSync(path("holes"), "w"); hole <= 900; hole++) {
    if (hole === 900) {
      ftruncateSync(fd, 30_000_000);
      closeSync(fd);
    } else writeSync(fd, Buffer.from(`piece ${hole}`), 0, undefined, hole * 3 * BLOCK);
  }
  for (const length of [1, 59, 60, 61, 900]) {
    symlinkSync("t".repeat(length), path(`link-of-${length}`));
    lutimesSync(path(`link-of-${length}`), 1_234_567_890.5, 1_234_567_890.5);
  }
  symlinkSync("../etc/./deep", path("etc/link"));
  linkSync(path("large"), path("etc/deep/er/large-again"));
  await mustRun("mknod", [path("null"), "c", "1", "3"]);
  await mustRun("mknod", [path("disk"), "b", "259", "70000"]);
  await mustRun("mkfifo", [path("fifo")]);
  mkdirSync(path("many"));
  for (let n = 0; n < options.names; n++) {
    writeFileSync(path(`many/file number ${n}, of a longer name`), n % 50 === 0 ? `${n}\n` : "");
  }
  writeFileSync(Buffer.concat([Buffer.from(path("many/not-utf8-")), Buffer.of(0xff, 0xfe)]), "\n");
  writeFileSync(path(`many/${"n".repeat(255)}`), "");
  for (const name of ["etc/passwd", "large", "etc", "null"]) {
    setRawXattr(path(name), "security.capability", CAPABILITY);
    setRawXattr(path(name), "trusted.note", Buffer.from(name));
  }
  setRawXattr(path("large"), "system.posix_acl_access", ACL);
  setRawXattr(path("etc"), "system.posix_acl_default", ACL);
  for (const name of ["etc/empty", "many", "holes"]) {
    setRawXattr(path(name), "user.shared", Buffer.alloc(700, "shared value "));
  }
  setRawXattr(path("etc/empty"), "user.empty", Buffer.alloc(0));
  chmodSync(path("etc/empty"), 0o6755);
  chmodSync(path("etc/deep"), 0o1777);
  chownSync(path("etc/empty"), 100_000, 4_000_000_000);
  utimesSync(path("etc/empty"), 4_102_444_800.25, 4_102_444_800.25);
  utimesSync(path("etc/deep"), -1.5, -1.5);
}

/** What a system does with its disk: files come and go. */
export async function liveThere(root: string): Promise<void> {
  const path = (name: string): string => join(root, name);
  for (let n = 0; n < 400; n += 2) rmSync(path(`many/file number ${n}, of a longer name`));
  writeFileSync(path("grown"), Buffer.alloc(200_000, "grown"));
  await mustRun("fallocate", ["--length", "1000000", path("preallocated")]);
  await mustRun("fallocate", [
    "--punch-hole",
    "--offset",
    "4096",
    "--length",
    "8192",
    path("grown"),
  ]);
  mkdirSync(path("new/directory"), { recursive: true });
  rmSync(path("large"));
}
