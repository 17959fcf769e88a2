import { walkRoot, type FoundObject } from "../case-kit/root-walk.ts";
import { printable } from "../../../src/errors.ts";

export interface CompareOptions {
  /** What counts of a time; default all of it. */
  readonly timeOf?: (mtimeNs: bigint) => string;
  /** A path that is not looked at. */
  readonly leftOut?: string;
  /** Names of one inode count as such for files alone. */
  readonly filesAloneAreLinked?: boolean;
}

/**
 * What two root directories do not have in common. Left out: the root itself, the mode of symlinks, and the time of
 * directories that have no entry, which is the epoch with us and that of the extraction elsewhere.
 */
export function treeDifferences(
  ourRoot: string,
  theirRoot: string,
  options: CompareOptions = {},
): readonly string[] {
  const [ours, theirs] = [factsOf(ourRoot, options), factsOf(theirRoot, options)];
  const differences: string[] = [];
  for (const path of new Set([...ours.keys(), ...theirs.keys()])) {
    if (path === "." || path === options.leftOut) continue;
    const [mine, other] = [ours.get(path), theirs.get(path)];
    const name = printable(Buffer.from(path, "latin1"), 60);
    if (mine === undefined) differences.push(`${name} is only theirs`);
    else if (other === undefined) differences.push(`${name} is only ours`);
    else {
      for (const [fact, value] of Object.entries(mine)) {
        if (fact === "time" && mine["type"] === "dir" && value === "0") continue;
        if (other[fact] !== value) {
          differences.push(`${fact} of ${name}: ours ${value}, theirs ${other[fact] ?? "none"}`);
        }
      }
    }
  }
  return differences;
}

type Facts = Readonly<Record<string, string>>;

function factsOf(root: string, options: CompareOptions): ReadonlyMap<string, Facts> {
  const firstNames = new Map<bigint, string>();
  const objects = [...walkRoot(root)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    objects.map(([path, object]) => [path, facts(path, object, { ...options, firstNames })]),
  );
}

function facts(
  path: string,
  object: FoundObject,
  {
    firstNames,
    timeOf = String,
    filesAloneAreLinked = false,
  }: CompareOptions & { readonly firstNames: Map<bigint, string> },
): Facts {
  const { kind, stat, target, sha256, xattrs } = object;
  if (kind !== "dir" && !firstNames.has(stat.ino)) firstNames.set(stat.ino, path);
  const mayBeLinked = kind !== "dir" && (kind === "file" || !filesAloneAreLinked);
  const linked = mayBeLinked && stat.nlink > 1n;
  return {
    type: kind,
    // Of objects with several names by its own fact, since tools differ in whose entry counts.
    [linked ? "mode of links" : "mode"]:
      kind === "symlink" ? "" : (stat.mode & 0o7777n).toString(8),
    [linked ? "owner of links" : "owner"]: `${stat.uid}:${stat.gid}`,
    [linked ? "time of links" : "time"]: timeOf(stat.mtimeNs),
    inode: mayBeLinked ? (firstNames.get(stat.ino) ?? "") : "",
    device: kind === "char" || kind === "block" ? String(stat.rdev) : "",
    target: target.toString("latin1"),
    content: sha256,
    [linked ? "xattrs of links" : "xattrs"]: [...xattrs]
      .map(([name, value]) => `${name}=${value.toString("hex")}`)
      .toSorted()
      .join(),
  };
}
