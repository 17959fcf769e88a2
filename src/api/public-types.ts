import type { Writable } from "node:stream";
import type { Limits } from "../limits.ts";
import type { RunConfig } from "../oci/image.ts";
import type { ImportTimings, OnEvent } from "../progress.ts";
import type { LayerRecord } from "../store/records.ts";

export type { LayerRecord, RunConfig };

/** Where the store is and in whose name it is used; every call takes these. */
export interface StoreOptions {
  /** Default: `$ROOTLIFT_HOME`, else `$XDG_DATA_HOME/rootlift`, else `~/.local/share/rootlift`. */
  readonly home?: string;
  /** Default: `$TENSORLAKE_PROJECT_ID`, else `default`. */
  readonly project?: string;
  /** Environment to read configuration from. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * `ext4`: a disk image with one file system. `erofs`: the same, to be read only, as small as what is in it. `dir`: a
 * directory of this machine. `tar`: one archive.
 */
export type ImageFormat = "ext4" | "erofs" | "dir" | "tar";

/** How an image is pulled and unpacked, whatever becomes of it. */
export interface PullSandboxImageOptions {
  /** Workers that decode: default 2.0, rounded up, at most the machine's cores. With two and more, a large layer has one more thread. */
  readonly cpus?: number;
  /** MiB that the import may add to the memory of the process, at least 256; default 4096. ERR_LIMIT_EXCEEDED. */
  readonly memoryMb?: number;
  /** MiB that the layers may unpack to in all; default: no limit of its own. */
  readonly builderDiskMb?: number;
  /** `os/arch[/variant]`; default: linux and the host's architecture. */
  readonly platform?: string;
  /** Plain http for this registry; without it (or `insecure`) only loopback registries may speak http. */
  readonly plainHttp?: boolean;
  /** No certificate checks for this registry, and plain http where it speaks no TLS. */
  readonly insecure?: boolean;
  /** Connections for layers, and so layers pulled side by side; default 8. */
  readonly concurrency?: number;
  /** Repetitions of one request to a registry without progress; default 5. */
  readonly retries?: number;
  /** Seconds that a host may be silent before its connection is given up and tried again; default 30. */
  readonly stallTimeoutSecs?: number;
  /** Seconds for all of it, then it is given up with ERR_TIMEOUT; default: as long as it takes. */
  readonly timeoutSecs?: number;
  /** Default true: connections that no layer uses fetch parts of a large one, where one is too slow for the decoder. */
  readonly ranges?: boolean;
  /**
   * Registry (`ghcr.io`) → URLs of mirrors, tried in order before it. They win over what `hostsDir` has for the registry, that
   * over `registriesConf`, and that over docker's configuration.
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>>;
  /** Mirrors of docker.io, behind its `mirrors`. Default: `ROOTLIFT_REGISTRY_MIRRORS` of the environment. */
  readonly registryMirrors?: readonly string[];
  /** A folder of containerd's `HOST/hosts.toml`, such as `/etc/containerd/certs.d`. Default: none. */
  readonly hostsDir?: string;
  /** podman's `registries.conf`, version 2. Default: `CONTAINERS_REGISTRIES_CONF` of the environment. */
  readonly registriesConf?: string;
  /** Default false. True: the `registry-mirrors` of `/etc/docker/daemon.json` are mirrors of docker.io. */
  readonly useDockerDaemonConfig?: boolean;
  readonly limits?: Partial<Limits>;
  /** A file for a trace of where the time went (Chrome's Trace Event Format), also of a failure. Overwritten. */
  readonly trace?: string;
  /** Events as text on stderr, as the Tensorlake SDK prints them; ignored when `onEvent` or `deps.emit` is given. */
  readonly verbose?: boolean;
  readonly signal?: AbortSignal;
  readonly onEvent?: OnEvent;
}

export interface ImportSandboxImageOptions extends StoreOptions, PullSandboxImageOptions {
  /** Default: derived from the reference (`pytorch/pytorch:2.4.1` → `pytorch`). Empty: ERR_NAME_INVALID. */
  readonly registeredName?: string;
  /** MiB of the root disk, at most 16 TiB; default 10240. A directory or archive has no such size, so there it is only recorded. */
  readonly diskMb?: number;
  readonly isPublic?: boolean;
  /** Accepted because `tl` users pass it; there is no Docker path, so it only warns. */
  readonly dockerCompat?: boolean;
  /** Default `ext4`, which takes no root. */
  readonly format?: ImageFormat;
  /** Where the root filesystem goes, instead of into the store. Must not exist, or be an empty directory. */
  readonly output?: string;
  /** Takes over a name that is registered already. */
  readonly replace?: boolean;
  /** Of a directory. Default true: owners, device nodes and privileged xattrs exactly, which takes root. False: what can be written; the rest is listed. */
  readonly sameOwner?: boolean;
  /** Default true: the bytes are on the disk before the name is registered. */
  readonly fsync?: boolean;
  /**
   * `off`, `on` (up to 10 GiB) or a size such as `500M` or `20G`: layers that come from a registry are kept in the store, compressed,
   * and not asked for again. Default: `$ROOTLIFT_BLOB_CACHE`, else `off`.
   */
  readonly blobCache?: string | boolean;
  /** Default false. True: a `timings` event before `image_registered`. */
  readonly timings?: boolean;
}

export interface BenchSandboxImageOptions extends PullSandboxImageOptions {
  /** How often it is pulled; default 1. */
  readonly runs?: number;
  /** Environment to read configuration from. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** What `benchSandboxImage` measured. */
export interface SandboxImageBenchmark {
  readonly reference: string;
  readonly manifestDigest: string;
  readonly platform: string;
  /** Bottom first. */
  readonly layers: readonly LayerRecord[];
  /** Compressed, all layers. */
  readonly totalBytes: number;
  /** In the order in which they were made. */
  readonly runs: readonly ImportTimings[];
}

/** A registered image with its snapshot: the record of the platform's API, and what rootlift adds (from `reference` on). */
export interface SandboxTemplate {
  readonly id: string;
  readonly name: string;
  readonly snapshotId: string;
  readonly snapshotSandboxId: string;
  readonly snapshotUri: string;
  readonly snapshotFormatVersion: string;
  readonly snapshotSizeBytes: number;
  readonly rootfsDiskBytes: number;
  readonly rootfsNodeKind: "base";
  readonly public: boolean;
  readonly dockerfile?: string;
  readonly project: string;
  readonly reference?: string;
  readonly manifestDigest?: string;
  readonly platform?: string;
  readonly format: string;
  /** The root filesystem on this machine. */
  readonly path: string;
  readonly entries?: number;
  /** Bottom first. */
  readonly layers?: readonly LayerRecord[];
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  readonly config?: RunConfig;
  readonly omissions?: readonly string[];
}

/** What `planSandboxImageImport` answers: the image as it would be imported. */
export interface ImportPlan {
  readonly dryRun: true;
  readonly name: string;
  readonly reference: string;
  readonly manifestDigest: string;
  readonly platform: string;
  /** Bottom first. */
  readonly layers: readonly LayerRecord[];
  readonly totalBytes: number;
}

export interface RegisterSandboxImageOptions extends StoreOptions {
  /** Text of the Dockerfile, stored beside the image. */
  readonly dockerfile?: string;
  readonly isPublic?: boolean;
  readonly replace?: boolean;
}

export interface ExportSandboxImageOptions extends StoreOptions {
  /** `tar`: one archive, the same bytes for the same tree. `dir`: a directory. Default `tar`. */
  readonly format?: "tar" | "dir";
  /** A path, or for an archive a stream; that is left open. */
  readonly output: string | Writable;
  /** An archive takes the place of a file that is there. A directory must be new or empty in any case. */
  readonly replace?: boolean;
  /** Of a directory: owners, device nodes and privileged xattrs exactly. Default: whether this is root. */
  readonly sameOwner?: boolean;
  /** Default true: the bytes are on the disk before the output appears. */
  readonly fsync?: boolean;
  readonly signal?: AbortSignal;
  /** `status`, `warning` and `done`. */
  readonly onEvent?: OnEvent;
}

/** What an export has written. */
export interface SandboxImageExport {
  readonly name: string;
  readonly snapshotId: string;
  readonly format: "tar" | "dir";
  /** The file or directory, absolute; a stream has none. */
  readonly path?: string;
  /** Of the archive; of a directory, the sum of its files' sizes. */
  readonly sizeBytes: number;
  readonly entries: number;
  /** What the snapshot has and the export has not, by path. */
  readonly omissions: readonly string[];
}

export interface VerifySandboxImageOptions extends StoreOptions {
  readonly signal?: AbortSignal;
}

/** What a check of a snapshot found. */
export interface SandboxImageVerification {
  readonly name: string;
  readonly snapshotId: string;
  readonly format: string;
  /** The root filesystem on this machine. */
  readonly path: string;
  /** Nothing is damaged. */
  readonly sound: boolean;
  /** The things that are wrong, the first 100 of each kind of part, ready to be shown. */
  readonly damage: readonly SandboxImageDamage[];
  /** All of them. */
  readonly damageCount: number;
  /** Compared with the checksums that the import recorded. */
  readonly checkedBytes: number;
  /** Of a disk image, blocks of its file system; 0 when that cannot be opened. */
  readonly blocks?: number;
  readonly usedBlocks?: number;
  readonly inodes?: number;
}

export interface SandboxImageDamage {
  /** `superblock`, `inode`, `directory`, `block bitmap`, `data` … */
  readonly what: string;
  readonly inode?: number;
  /** Of the inode, where a directory names it. */
  readonly path?: string;
  readonly block?: number;
  readonly problem: string;
}

export interface ReadSandboxImageOptions extends StoreOptions {
  readonly signal?: AbortSignal;
}

export interface ListSandboxImageFilesOptions extends ReadSandboxImageOptions {
  /** Default false: one directory. True: everything below it, each directory before what it holds. */
  readonly recursive?: boolean;
}

/** A file of an image, without its contents. */
export interface SandboxImageFile {
  /** Inside the image, from its root, free of links. Bytes that are not UTF-8 are replaced; then there is `pathHex`. */
  readonly path: string;
  /** The bytes of a path that is not UTF-8. */
  readonly pathHex?: string;
  readonly type:
    | "file"
    | "directory"
    | "symlink"
    | "character-device"
    | "block-device"
    | "fifo"
    | "socket";
  /** Permissions with setuid, setgid and sticky bits: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file its bytes, holes included; of a link those of its target; else 0. */
  readonly sizeBytes: number;
  /** Names of the file; of a directory as its file system counts. */
  readonly links: number;
  /** RFC 3339, UTC, with nanoseconds where there are any. */
  readonly mtime: string;
  /** Of a symlink. */
  readonly linkTarget?: string;
  /** The bytes of a target that is not UTF-8. */
  readonly linkTargetHex?: string;
  /** Of a device. */
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
}
