import {
  directoryEntry,
  fileEntry,
  makeLayer,
  symlinkEntry,
  type LayerEntry,
} from "./make-layer.ts";
import type { TestImage } from "./test-registry/test-image.ts";

function at(seconds: number): { readonly mtime: Date } {
  return { mtime: new Date(seconds * 1000) };
}

function xattr(name: string, value: string): { readonly pax: Record<string, string> } {
  return { pax: { [`SCHILY.xattr.${name}`]: value } };
}

/** What root filesystems are made of, in layers that change each other; nothing that the peers are known to differ on. */
export async function demandingImage(compression: "gzip" | "zstd"): Promise<TestImage> {
  const many: readonly LayerEntry[] = Array.from({ length: 3000 }, (_, n) =>
    fileEntry(`srv/data/${n % 30}/file-${n}`, `contents ${n}\n`.repeat(n % 50)),
  );
  const base: readonly LayerEntry[] = [
    { ...directoryEntry("usr"), ...at(1_600_000_000) },
    directoryEntry("usr/bin"),
    directoryEntry("usr/lib"),
    symlinkEntry("bin", "usr/bin"),
    symlinkEntry("lib", "usr/lib"),
    fileEntry("usr/bin/su", "#!suid\n", 0o4755),
    { ...fileEntry("usr/bin/ping", "ping\n", 0o755), ...xattr("user.note", "kept") },
    { ...fileEntry("usr/lib/owned", "owned\n", 0o640), uid: 65_534, gid: 70_000 },
    { name: "usr/bin/sudo", type: "link", linkname: "usr/bin/su", mode: 0o4755 },
    directoryEntry("dev"),
    { name: "dev/null", type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 },
    { name: "dev/sda", type: "block-device", devmajor: 8, devminor: 0, mode: 0o660, gid: 6 },
    { name: "run.fifo", type: "fifo", mode: 0o600 },
    directoryEntry("var"),
    directoryEntry("var/cache"),
    fileEntry("var/cache/old", "old\n"),
    directoryEntry("etc"),
    fileEntry("etc/motd", "hello\n"),
    { ...directoryEntry("tmp", 0o1777), ...at(1_500_000_000) },
    directoryEntry("srv"),
    directoryEntry("srv/data"),
    ...Array.from({ length: 30 }, (_, n) => directoryEntry(`srv/data/${n}`)),
    ...many,
  ];
  const change: readonly LayerEntry[] = [
    fileEntry("srv/data/.wh.3", ""),
    fileEntry("srv/data/4/.wh..wh..opq", ""),
    fileEntry("srv/data/4/new", "new\n"),
    directoryEntry("var/cache", 0o700),
    fileEntry("var/cache/.wh.old", ""),
    fileEntry("bin/through-the-link", "in usr/bin\n", 0o755),
    fileEntry("usr/lib/größe-\u{1f680}", "utf-8\n"),
    fileEntry(`usr/lib/${"long".repeat(60)}`, "a long name\n"),
    symlinkEntry("etc/mtab", "../proc/self/mounts"),
    fileEntry("large", Buffer.alloc(3_000_000, "0123456789abcdef")),
    fileEntry("empty", ""),
  ];
  return { layers: [await makeLayer(base, compression), await makeLayer(change, compression)] };
}
