import { basename, dirname, resolve } from "node:path";
import type { Touch } from "./path-calls.ts";

/** Where an import may go. */
export interface Premises {
  /** The store. */
  readonly home: string;
  readonly outputPath: string;
  /** Read, like an OCI layout. */
  readonly sources: readonly string[];
  /** Files and directories of the user's configuration that this import may look for. */
  readonly configuration: readonly string[];
}

interface AllowedReading {
  readonly paths: RegExp;
  readonly why: string;
}

const REPOSITORY = resolve(import.meta.dirname, "../../..");
const NODE = dirname(dirname(process.execPath));
const quoted = (path: string): string => path.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
const tree = (path: string): string => `${quoted(path)}(?:/.*)?`;

/** What a run reads besides the store, the output and its source. Nothing of it is ever written. */
const RUNTIME: readonly AllowedReading[] = [
  {
    paths: new RegExp(
      `^(?:${["bin", "dist", "node_modules"].map((at) => tree(`${REPOSITORY}/${at}`)).join("|")})$`,
    ),
    why: "the command and its packages",
  },
  { paths: new RegExp(`^${tree(NODE)}$`), why: "the Node that runs it" },
  {
    paths: /^\/(?:[^/]+\/)*(?:package\.json|node_modules)$/,
    why: "Node looks for the package that a module belongs to in all directories above it",
  },
  { paths: /^\/(?:usr\/)?lib(?:64)?\/.*\.so[.\d]*$/, why: "shared libraries" },
  {
    paths: /^\/(?:usr\/)?lib\/[^/]+-linux-gnu(?:\/(?:glibc-hwcaps|gconv)\/.*)?$/,
    why: "the loader looks for variants",
  },
  { paths: /^\/etc\/ld\.so\.(?:cache|preload)$/, why: "the loader's cache" },
  {
    paths: /^\/(?:usr\/lib|etc)\/ssl(?:\/.*)?$/,
    why: "OpenSSL's configuration and the machine's certificates",
  },
  {
    paths:
      /^\/proc\/(?:thread-self|(?:self|\d+)\/(?:maps|cgroup|limits|status|mountinfo|stat|fd|exe|task\/\d+\/schedstat))$/,
    why: "the process about itself: its limits, umask, mounts, and what its threads do",
  },
  {
    paths: /^\/proc\/(?:meminfo|version_signature|sys\/vm\/overcommit_memory|cpuinfo)$/,
    why: "the machine's memory and processors",
  },
  {
    paths: /^\/sys\/(?:fs\/cgroup|devices\/system\/cpu|kernel\/mm\/transparent_hugepage)\/.*$/,
    why: "limits of memory and processors",
  },
  { paths: /^\/dev\/(?:urandom|random|null)$/, why: "random numbers for names and identifiers" },
  {
    paths: /^\/(?:etc(?:\/localtime)?|usr(?:\/share(?:\/zoneinfo(?:\/.*)?)?)?)$/,
    why: "the time zone, and the way to it",
  },
  {
    paths: /^\/etc\/(?:resolv|nsswitch|netsvc|svc|host|gai)\.conf$|^\/etc\/hosts$/,
    why: "how the names of hosts are resolved",
  },
];

/**
 * What a run must not have done: written outside the store and the output, read what is on no list, or gone through names
 * that a layer chose in a way that follows links.
 */
export function violationsOf(touches: readonly Touch[], premises: Premises): readonly string[] {
  const made = new Set<string>();
  const nodes = new Set<string>();
  return touches.flatMap((touch) => {
    const why = violation(touch, { ...premises, made, nodes });
    if (touch.call.name.startsWith("mkdir") && touch.call.result === "0") made.add(touch.path);
    if (touch.call.name.startsWith("mknod")) nodes.add(touch.path);
    return why === undefined ? [] : [`${why}: ${touch.path} (${touch.call.line.slice(0, 300)})`];
  });
}

function violation(
  touch: Touch,
  premises: Premises & {
    readonly made: ReadonlySet<string>;
    readonly nodes: ReadonlySet<string>;
  },
): string | undefined {
  if (touch.call.name === "execve" && touch.path !== process.execPath)
    return "a program is started";
  if (touch.call.name === "mkdir" && !touch.call.args[1]?.startsWith("0700")) {
    return "a directory that others can enter before it is done";
  }
  if (touch.call.name === "openat" && premises.nodes.has(touch.path) && !isHandle(touch)) {
    return "a device or a fifo of an image is opened";
  }
  if (isTree(touch.path, premises)) return treeViolation(touch, premises.made);
  if (isOwn(touch.path, premises)) return undefined;
  if (touch.writes) return "a write outside the store and the output";
  if (premises.sources.some((path) => isWithin(touch.path, path))) return undefined;
  if (premises.configuration.includes(touch.path)) return undefined;
  // A new directory is made durable by its parent; a path is made real one directory at a time.
  const own = [
    premises.home,
    premises.outputPath,
    ...premises.sources,
    ...premises.configuration,
    REPOSITORY,
  ];
  if (own.some((path) => isWithin(path, touch.path))) return undefined;
  return RUNTIME.some(({ paths }) => paths.test(touch.path))
    ? undefined
    : "a read of what is on no list";
}

function isHandle({ call }: Touch): boolean {
  return call.args.some((argument) => argument.includes("O_PATH"));
}

/** Names below the root were chosen by a layer: each is looked up from an open directory, through no link. */
function treeViolation(touch: Touch, made: ReadonlySet<string>): string | undefined {
  if (touch.via !== "descriptor") return "a name of a layer that is part of a path";
  let above = touch.path;
  for (const _ of touch.name.split("/").slice(1)) {
    above = dirname(above);
    if (!made.has(above)) return "a way through what this run did not make as a directory";
  }
  return touch.follows ? "a link of a layer would be followed" : undefined;
}

function isTree(path: string, { outputPath, home }: Premises): boolean {
  return [...stagingRoots(path, outputPath), ...storedRoots(path, home)].some((root) =>
    path.startsWith(`${root}/`),
  );
}

/** The root of the tree while it grows, its bodies, and where it is in the end. */
function stagingRoots(path: string, outputPath: string): readonly string[] {
  const staging = stagingPath(path, outputPath);
  const grown = staging === undefined ? [] : [`${staging}/rootfs`];
  return [...grown, outputPath];
}

function storedRoots(path: string, home: string): readonly string[] {
  const snapshot = new RegExp(`^${quoted(home)}/(?:snapshots|ingest)/[^/]+`).exec(path)?.[0];
  return snapshot === undefined ? [] : [`${snapshot}/rootfs`];
}

function stagingPath(path: string, outputPath: string): string | undefined {
  const near = `${dirname(outputPath)}/.${basename(outputPath)}.rootlift-`;
  return path.startsWith(near)
    ? /^[^/]*/.exec(path.slice(near.length))?.[0].replace(/^/, near)
    : undefined;
}

function isOwn(path: string, { home, outputPath }: Premises): boolean {
  return (
    isWithin(path, home) ||
    isWithin(path, outputPath) ||
    stagingPath(path, outputPath) !== undefined
  );
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
