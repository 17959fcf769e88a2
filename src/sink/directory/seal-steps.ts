import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import type { FileSystemTraits } from "./file-system-traits.ts";
import type { OmissionList } from "../omissions.ts";

/** What a name needs beyond its own making; bits of `SealWork.roles`. */
export const Role = {
  /** A directory that a step of its own makes, because runs of several tasks lie in it. */
  early: 1,
  /** A directory whose owner, mode and times come after all tasks: something is still to be made in it. */
  late: 2,
  /** Not the first name of its inode: a hard link, made when all first names are there. */
  hardLink: 4,
} as const;

/** What all tasks of one seal share. The arrays lie in shared memory: a worker gets them without a copy. */
export interface SealWork {
  readonly rootfsPath: string;
  readonly bodiesPath: string;
  readonly sameOwner: boolean;
  readonly traits: FileSystemTraits;
  readonly tree: RootfsTree;
  /** By name. */
  readonly roles: Uint8Array;
  /** One element; not 0 once the import is cancelled. */
  readonly cancelled: Int32Array;
}

/** One part of the work; parts of one phase run side by side. */
export type SealStep =
  /** Makes these directories, parents first. */
  | { readonly type: "directories"; readonly names: Uint32Array }
  /** Makes `count` names in pre-order, from `firstName` on, but for the hard links; sets directories that are complete. */
  | { readonly type: "names"; readonly firstName: number; readonly count: number }
  /** Pairs: a name to make, and the name that its inode has already. */
  | { readonly type: "hard-links"; readonly pairs: Uint32Array }
  /** Sets owner, mode, xattrs and times of these directories, children first. */
  | { readonly type: "attributes"; readonly names: Uint32Array }
  /** Removes what one plan placed and no name claimed. */
  | { readonly type: "discard"; readonly plan: number }
  | { readonly type: "sync" };

export interface DirectorySealTask {
  readonly work: SealWork;
  readonly step: SealStep;
}

export interface DirectorySealResult extends OmissionList {
  readonly kind: "directory-seal";
  /** In blocks of 4 KiB, by the tree; of files with holes, what the file system says. */
  readonly usedBytes: number;
}
