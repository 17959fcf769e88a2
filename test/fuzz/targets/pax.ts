import { ImportError } from "../../../src/errors.ts";
import { PaxKey, PaxRecords } from "../../../src/layer/pax-records.ts";
import { demand, type FuzzTarget } from "../fuzz-target.ts";
import { archiveSeeds } from "../tar/archive-seeds.ts";
import { mutatePax } from "../tar/mutate-pax.ts";
import { BLOCK, headersOf, paxRecord } from "../tar/tar-blocks.ts";

/** By name, in the order of `PaxKey`. */
const NAMES: Readonly<Record<string, PaxKey>> = {
  path: PaxKey.path,
  linkpath: PaxKey.linkpath,
  uname: PaxKey.uname,
  gname: PaxKey.gname,
  "GNU.sparse.name": PaxKey.sparseName,
  size: PaxKey.size,
  uid: PaxKey.uid,
  gid: PaxKey.gid,
  mtime: PaxKey.mtime,
  atime: PaxKey.atime,
  ctime: PaxKey.ctime,
  "GNU.sparse.major": PaxKey.sparseMajor,
  "GNU.sparse.minor": PaxKey.sparseMinor,
  "GNU.sparse.size": PaxKey.sparseSize,
  "GNU.sparse.realsize": PaxKey.sparseRealSize,
  "GNU.sparse.numblocks": PaxKey.sparseBlocks,
  "GNU.sparse.map": PaxKey.sparseMap,
};
const NUL_FREE = new Set(["path", "linkpath", "uname", "gname", "GNU.sparse.name"]);
const XATTR = "SCHILY.xattr.";
const LEFT_OVER = Buffer.concat([
  paxRecord("path", "left over"),
  paxRecord("GNU.sparse.map", "1,2"),
  paxRecord("SCHILY.xattr.user.left", "over"),
]);

/** The records of extended headers, against a second reading of POSIX pax. */
export const paxTarget: FuzzTarget = {
  name: "pax",
  weight: 1,
  open: () => ({
    seeds: archiveSeeds().flatMap(paxBodies),
    mutate: mutatePax,
    run: runPax,
  }),
};

function paxBodies(archive: Uint8Array): Uint8Array[] {
  return headersOf(archive)
    .filter((at) => archive[at + 156] === 0x78)
    .map((at) => {
      const text = Buffer.from(archive.subarray(at + 124, at + 135)).toString("latin1");
      return archive.subarray(at + BLOCK, at + BLOCK + Number.parseInt(text, 8));
    });
}

function runPax(body: Uint8Array): void {
  const records = new PaxRecords();
  // What an earlier header left behind must not show.
  records.parse(LEFT_OVER);
  const problem = records.parse(body);
  const expected = referenceRecords(Buffer.from(body).toString("latin1"));
  demand(
    (problem === undefined) === (expected !== undefined),
    "records are taken or refused alike",
  );
  if (expected === undefined) throw new ImportError("ERR_LAYER_CORRUPT", problem ?? "");
  for (const [name, key] of Object.entries(NAMES)) {
    const value = expected.values.get(name) ?? "";
    demand(records.has(key) === (value !== ""), `${name} is there`);
    if (records.has(key)) demand(records.text(key) === value, `${name} has its last value`);
  }
  const xattrs = records.xattrs.map(({ name, value }) => `${latin1(name)}=${latin1(value)}`);
  demand(
    xattrs.join("\n") === expected.xattrs.join("\n"),
    "the attributes are those of the header",
  );
  demand(records.sparsePairs.length === expected.pairs, "as many sparse numbers as records");
}

interface ReferenceRecords {
  readonly values: ReadonlyMap<string, string>;
  readonly xattrs: readonly string[];
  readonly pairs: number;
}

/** Go's archive/tar rules, written on text. @returns undefined for what is malformed */
function referenceRecords(body: string): ReferenceRecords | undefined {
  const values = new Map<string, string>();
  const xattrs: string[] = [];
  let pairs = 0;
  for (let rest = body; rest !== "";) {
    const [, digits = ""] = /^\+?(\d+) /.exec(rest) ?? [];
    const record = rest.slice(0, Number(digits));
    const start = record.indexOf(" ") + 1;
    const isWhole = digits !== "" && Number(digits) <= rest.length && record.length >= 5;
    if (!isWhole || record.length <= start || !record.endsWith("\n")) return undefined;
    const [, key = "", value = ""] = /^([^=]*)=([^]*)\n$/.exec(record.slice(start)) ?? [];
    if (key === "" || key.includes("\0")) return undefined;
    if (NUL_FREE.has(key) && value.includes("\0")) return undefined;
    if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") {
      if ((pairs % 2 === 0) !== (key === "GNU.sparse.offset") || value.includes(","))
        return undefined;
      pairs += 1;
    } else if (Object.hasOwn(NAMES, key)) values.set(key, value);
    else if (key.startsWith(XATTR)) xattrs.push(`${key.slice(XATTR.length)}=${value}`);
    rest = rest.slice(record.length);
  }
  return pairs % 2 === 0 ? { values, xattrs, pairs } : undefined;
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
