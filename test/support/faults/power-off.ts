import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { parseTrace, type TracedCall } from "../strace/trace-lines.ts";
import { applied, PAGE_BYTES, type Attribute, type Contents, type DiskNode } from "./disk-model.ts";
import type { FaultScenario } from "./fault-scenario.ts";
import { stateLeft, type FaultResult, type Undisturbed } from "./fault-run.ts";
import type { FaultWorld } from "./fault-world.ts";
import { renameIdentity } from "./rename-identity.ts";
import { MUTATING_CALLS } from "./mutating-calls.ts";
import { TraceReplay } from "./replay-trace.ts";

/** What is lost of that which was not synced, and so what of it has got to the disk. */
const KEEPS = {
  "all of it": { names: false, bytes: false },
  bytes: { names: true, bytes: false },
  names: { names: false, bytes: true },
  // By chance.
  "some of it": { names: undefined, bytes: undefined },
} as const;
const LOSSES: readonly (keyof typeof KEEPS)[] = ["all of it", "bytes", "names", "some of it"];
/** A directory: the changes of its names alone. Each may get to the disk before or after another one's. */
type Loss = keyof typeof KEEPS | DiskNode;

export interface PowerOff {
  /** Of the calls of the command, so many were made. */
  readonly calls: number;
  /** The last of them. */
  readonly last: string;
  readonly lost: string;
  /** The command had ended: what it did must be there. */
  readonly ended: boolean;
  /** Brings the disk to that state. */
  readonly materialize: () => void;
}

/** Each different disk that a power-off at any moment of the command would leave. Ends with the command's own end. */
export async function powerOffs(
  world: FaultWorld,
  scenario: FaultScenario,
): Promise<readonly PowerOff[]> {
  const calls = await recordedCalls(world, scenario);
  await world.restore(scenario);
  const rootPath = dirname(world.place.home);
  const whole = new TraceReplay(rootPath);
  const { outputPath } = scenario;
  const before = outputPath === undefined ? undefined : whole.nodeAt(outputPath)?.id;
  for (const call of calls) whole.apply(call);
  const published = before ?? (outputPath === undefined ? undefined : whole.nodeAt(outputPath)?.id);
  const replay = new TraceReplay(rootPath);
  const seen = new Set<string>();
  const found: PowerOff[] = [];
  const lastChange = calls.length - 1;
  for (const [index, call] of calls.entries()) {
    const changed = replay.apply(call);
    const ended = index === lastChange;
    if (!changed && !ended) continue;
    for (const lost of [...LOSSES, ...replay.model.unsyncedDirectories()]) {
      const disk = diskAfter(replay, lost, index);
      const key = keyOf(disk);
      if (seen.has(key) && !ended) continue;
      seen.add(key);
      const materialize = (): void => writeDisk(disk, rootPath, published);
      const last = call.line.replaceAll(rootPath, "").slice(0, 120);
      const what = typeof lost === "string" ? lost : `names in "${replay.pathOf(lost)}"`;
      found.push({ calls: index + 1, last, lost: what, ended, materialize });
    }
  }
  return found;
}

export async function checkPowerOff(
  world: FaultWorld,
  scenario: FaultScenario,
  { off, expected }: { readonly off: PowerOff; readonly expected: Undisturbed },
): Promise<Pick<FaultResult, "state" | "problems">> {
  off.materialize();
  const { state, problems } = await stateLeft(world, scenario, expected);
  if (!off.ended || state === "after" || state === "both") return { state, problems };
  return { state, problems: [...problems, "the command had ended, and what it did is lost"] };
}

async function recordedCalls(
  world: FaultWorld,
  scenario: FaultScenario,
): Promise<readonly TracedCall[]> {
  const { command } = scenario;
  await world.restore(scenario);
  const names = MUTATING_CALLS.map((name) => `?${name}`).join(",");
  const run = await world.run(command, ["-e", `trace=${names}`, "-s", "100000000"]);
  if (run.exitCode !== 0) throw new Error(`tl ${command.join(" ")}: ${run.stderr}`);
  return parseTrace(run.trace);
}

/** A directory tree as it would be found. */
interface Disk {
  readonly root: DiskNode;
  readonly names: (directory: DiskNode) => ReadonlyMap<string, DiskNode>;
  readonly contents: (node: DiskNode) => Contents;
}

function diskAfter({ model }: TraceReplay, lost: Loss, seed: number): Disk {
  const random = generator(seed);
  const keeps = typeof lost === "string" ? KEEPS[lost] : { names: undefined, bytes: true };
  const names = model.namesAfter((changes) =>
    typeof lost === "string"
      ? (keeps.names ?? random() < 0.5)
      : changes.every(({ directory }) => directory !== lost),
  );
  // Kept by value: the model goes on.
  const kept = new Map<DiskNode, ReadonlyMap<string, DiskNode>>();
  const contents = new Map<DiskNode, Contents>();
  const visit = (node: DiskNode): void => {
    if (contents.has(node)) return;
    const pending = node.pending.filter(() => keeps.bytes ?? random() < 0.5);
    contents.set(node, applied(node.durable, pending));
    if (node.kind !== "dir") return;
    const entries = new Map(names(node));
    kept.set(node, entries);
    for (const child of entries.values()) visit(child);
  };
  visit(model.root);
  return {
    root: model.root,
    names: (directory) => kept.get(directory) ?? new Map(),
    contents: (node) => contents.get(node) ?? node.durable,
  };
}

/** Pages are not changed, so each is hashed once. */
const digests = new WeakMap<Buffer, string>();

function keyOf({ root, names, contents }: Disk): string {
  const describe = (node: DiskNode): string => {
    const has = contents(node);
    const pages = [...has.pages].map(([at, page]) => `${at}.${digestOf(page)}`);
    const below = [...names(node)].map(([name, child]) => `${name}=${describe(child)}`);
    const bytes = `${has.size}/${pages.toSorted().join()}/${JSON.stringify(has.attributes)}`;
    return `${node.id}(${bytes})[${below.toSorted().join()}]`;
  };
  return describe(root);
}

function digestOf(page: Buffer): string {
  const digest = digests.get(page) ?? createHash("sha256").update(page).digest("base64");
  digests.set(page, digest);
  return digest;
}

/** @param published the node that the record of the import calls its own, by the inode that it had */
function writeDisk(disk: Disk, rootPath: string, published: number | undefined): void {
  const paths = new Map<number, string>();
  const write = (node: DiskNode, path: string): void => {
    const first = paths.get(node.id);
    if (first !== undefined && node.kind !== "dir") {
      linkSync(first, path);
      return;
    }
    paths.set(node.id, path);
    writeNode(node, path, disk.contents(node));
    for (const [name, child] of disk.names(node)) write(child, join(path, name));
    for (const attribute of disk.contents(node).attributes) setAttribute(node, path, attribute);
  };
  rmSync(rootPath, { recursive: true, force: true });
  write(disk.root, rootPath);
  const publishedPath = paths.get(published ?? -1);
  if (publishedPath !== undefined) renameIdentity(join(rootPath, "home", "ingest"), publishedPath);
}

function writeNode(node: DiskNode, path: string, { pages, size }: Contents): void {
  if (node.kind === "dir") mkdirSync(path);
  else if (node.kind === "symlink") symlinkSync(node.target, path);
  else if (node.kind === "fifo") spawnSync("mkfifo", [path]);
  else {
    const fd = openSync(path, "wx", 0o600);
    for (const [number, page] of pages) {
      const at = number * PAGE_BYTES;
      if (at < size && !page.every((byte) => byte === 0)) writeSync(fd, page, 0, PAGE_BYTES, at);
    }
    ftruncateSync(fd, size);
    closeSync(fd);
  }
}

function setAttribute(node: DiskNode, path: string, attribute: Attribute): void {
  const isLink = node.kind === "symlink";
  switch (attribute.kind) {
    case "mode":
      if (!isLink) chmodSync(path, attribute.mode);
      return;
    case "owner":
      if (isLink) lchownSync(path, attribute.uid, attribute.gid);
      else chownSync(path, attribute.uid, attribute.gid);
      return;
    case "mtime":
      // Probes of what a file system can hold are of no interest.
      if (Math.abs(attribute.seconds) < 2 ** 33) {
        lutimesSync(path, attribute.seconds, attribute.seconds);
      }
      return;
    case "xattr": {
      const { name, value } = attribute;
      if (value !== undefined) spawnSync("setfattr", ["-h", "-n", name, "-v", value, path]);
    }
  }
}

/** Park and Miller's. */
function generator(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
