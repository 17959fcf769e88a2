import { walkRoot, type FoundObject } from "../case-kit/root-walk.ts";
import { printable } from "../../../src/errors.ts";

/**
 * What two root directories do not have in common. Left out: the root itself, the mode of symlinks, and the time of
 * directories that have no entry, which is the epoch with us and that of the extraction elsewhere.
 */
export function treeDifferences(ourRoot: string, theirRoot: string): readonly string[] {
  const [ours, theirs] = [factsOf(ourRoot), factsOf(theirRoot)];
  const differences: string[] = [];
  for (const path of new Set([...ours.keys(), ...theirs.keys()])) {
    if (path === ".") continue;
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

function factsOf(root: string): ReadonlyMap<string, Facts> {
  const firstNames = new Map<bigint, string>();
  const objects = [...walkRoot(root)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Map(objects.map(([path, object]) => [path, facts(path, object, firstNames)]));
}

function facts(path: string, object: FoundObject, firstNames: Map<bigint, string>): Facts {
  const { kind, stat, target, sha256, xattrs } = object;
  if (kind !== "dir" && !firstNames.has(stat.ino)) firstNames.set(stat.ino, path);
  const linked = kind !== "dir" && stat.nlink > 1n;
  return {
    type: kind,
    // Of objects with several names by its own fact, since tools differ in whose entry counts.
    [linked ? "mode of links" : "mode"]:
      kind === "symlink" ? "" : (stat.mode & 0o7777n).toString(8),
    [linked ? "owner of links" : "owner"]: `${stat.uid}:${stat.gid}`,
    [linked ? "time of links" : "time"]: String(stat.mtimeNs),
    inode: kind === "dir" ? "" : (firstNames.get(stat.ino) ?? ""),
    device: kind === "char" || kind === "block" ? String(stat.rdev) : "",
    target: target.toString("latin1"),
    content: sha256,
    [linked ? "xattrs of links" : "xattrs"]: [...xattrs]
      .map(([name, value]) => `${name}=${value.toString("hex")}`)
      .toSorted()
      .join(),
  };
}
