import { createHash } from "node:crypto";
import { printable } from "../../../src/errors.ts";
import { rawBytes, type CaseContext } from "./case-bytes.ts";
import {
  isList,
  isObject,
  listAt,
  objectAt,
  stringifyJson,
  text,
  type Json,
  type JsonObject,
  type LayerCase,
} from "./case-json.ts";
import { walkRoot, type SeenObject } from "./root-walk.ts";

/** The differences between a root directory and what a case expects; none when it is as it must be. */
export function checkRoot(
  layerCase: LayerCase,
  rootPath: string,
  context: CaseContext,
): readonly string[] {
  return checkObjects(layerCase, walkRoot(rootPath), context);
}

/** The same of what somebody saw, by path (bytes as latin1; the root is `.`). */
export function checkObjects(
  layerCase: LayerCase,
  found: ReadonlyMap<string, SeenObject>,
  context: CaseContext,
): readonly string[] {
  const expect = objectAt(layerCase.fields, "expect");
  const stated = new Map(
    Object.entries(objectAt(expect, "tree")).map(([key, want]) => [pathKey(key, context), want]),
  );
  const problems: string[] = [];
  if (expect["open"] !== true) {
    const allowed = allowedPaths(stated.keys(), listAt(expect, "optional"), context);
    for (const [path, { kind }] of found) {
      if (!stated.has(path) && !allowed.has(path)) {
        problems.push(`${show(path)}: must not exist (${kind})`);
      }
    }
  }
  for (const path of listAt(expect, "absent").map((key) => pathKey(text(key), context))) {
    if (found.has(path)) problems.push(`${show(path)}: must be absent`);
  }
  for (const [path, want] of stated) {
    const object = found.get(path);
    if (object === undefined) problems.push(`${show(path)}: missing`);
    else if (isObject(want)) {
      const differences = objectDifferences(object, want, context);
      problems.push(...differences.map((difference) => `${show(path)}: ${difference}`));
    }
  }
  return [...problems, ...groupProblems(stated, found)];
}

/** Ancestors of what is stated, and what is optional; `lost+found` is of the file system. */
function allowedPaths(
  stated: Iterable<string>,
  optional: readonly Json[],
  context: CaseContext,
): ReadonlySet<string> {
  const allowed = new Set([
    ".",
    "lost+found",
    ...optional.map((key) => pathKey(text(key), context)),
  ]);
  for (const path of [...stated, ...allowed]) {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      allowed.add(path.slice(0, at));
    }
  }
  return allowed;
}

function pathKey(key: string, context: CaseContext): string {
  if (key.startsWith("b64:")) return Buffer.from(key.slice(4), "base64").toString("latin1");
  return (
    rawBytes(key, context)
      .toString("latin1")
      .replaceAll(/^\/+|\/+$/g, "") || "."
  );
}

function objectDifferences(
  object: SeenObject,
  want: JsonObject,
  context: CaseContext,
): readonly string[] {
  const { stat, kind } = object;
  const problems: string[] = [];
  const differ = (what: string, got: string, wanted: Json | undefined, as = text): void => {
    if (wanted === undefined || alternatives(wanted).some((value) => as(value) === got)) return;
    problems.push(`${what} is ${got}, expected ${stringifyJson(wanted)}`);
  };
  const bytesDiffer = (what: string, got: Buffer | undefined, wanted: Json): void => {
    const same = alternatives(wanted).some((value) =>
      value === null ? got === undefined : got?.equals(rawBytes(value, context)) === true,
    );
    if (!same)
      problems.push(`${what} is ${got?.toString("hex")}, expected ${stringifyJson(wanted)}`);
  };
  differ("type", kind, want["type"]);
  if (kind !== "symlink")
    differ("mode", octal(Number(stat.mode & 0o7777n)), want["mode"], modeText);
  differ("uid", String(stat.uid), want["uid"]);
  differ("gid", String(stat.gid), want["gid"]);
  differ("mtime in ns", String(stat.mtimeNs), want["mtime"], mtimeText);
  differ("size", String(stat.size), want["size"]);
  differ("nlink", String(stat.nlink), want["nlink"]);
  if (want["rdev"] !== undefined && stringifyJson(want["rdev"]) !== rdevText(stat.rdev)) {
    problems.push(`rdev is ${rdevText(stat.rdev)}, expected ${stringifyJson(want["rdev"])}`);
  }
  if (kind === "symlink" && want["link"] !== undefined) {
    bytesDiffer("link target", object.target, want["link"]);
  }
  if (kind === "file") {
    differ("sha256", object.sha256, want["sha256"]);
    differ("content", object.sha256, want["content"], (value) =>
      sha256Hex(rawBytes(value, context)),
    );
  }
  for (const [name, value] of Object.entries(objectAt(want, "xattrs"))) {
    bytesDiffer(`xattr ${name}`, object.xattrs.get(Buffer.from(name).toString("latin1")), value);
  }
  return problems;
}

/** Paths of one group share one inode that no other group has. */
function groupProblems(
  stated: ReadonlyMap<string, Json>,
  found: ReadonlyMap<string, SeenObject>,
): readonly string[] {
  const groups = new Map<string, Set<string>>();
  for (const [path, want] of stated) {
    const object = found.get(path);
    if (!isObject(want) || want["group"] === undefined || object === undefined) continue;
    const group = text(want["group"]);
    const inode = `${object.stat.dev}:${object.stat.ino}`;
    groups.set(group, (groups.get(group) ?? new Set()).add(inode));
  }
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const [group, inodes] of groups) {
    if (inodes.size !== 1)
      problems.push(`hard-link group ${group}: ${inodes.size} different inodes`);
    for (const inode of inodes) {
      if (seen.has(inode)) problems.push(`hard-link group ${group}: shares an inode with another`);
      seen.add(inode);
    }
  }
  return problems;
}

function alternatives(value: Json): readonly Json[] {
  return isObject(value) && isList(value["oneOf"]) ? value["oneOf"] : [value];
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

function modeText(value: Json): string {
  return octal(typeof value === "string" ? Number.parseInt(value, 8) : Number(value));
}

/** Seconds as a number, or as text with a fraction, in nanoseconds. */
function mtimeText(value: Json): string {
  if (typeof value !== "string") return String(BigInt(Math.trunc(Number(value))) * 1_000_000_000n);
  const negative = value.startsWith("-");
  const [seconds = "0", fraction = ""] = value.replace("-", "").split(".");
  const total = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0").slice(0, 9));
  return String(negative ? -total : total);
}

/** `[major,minor]` of a Linux device number (glibc `gnu_dev_major`). */
function rdevText(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return `[${major},${minor}]`;
}

function sha256Hex(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function show(path: string): string {
  return printable(Buffer.from(path, "latin1"), 120);
}
