import { ImportError, printable } from "../../errors.ts";
import type { Reference } from "../../oci/parse-reference.ts";
import { parseReference } from "../../oci/parse-reference.ts";
import type { PullHost, PullHosts, RegistryManners } from "./pull-host.ts";
import { pullHost } from "./pull-host.ts";
import type { TomlTable } from "./toml-file.ts";
import { flagIn, invalidAt, parseTomlFile, tableListIn, textIn } from "./toml-file.ts";

/** One `[[registry]]` of `registries.conf` version 2 (containers-registries.conf(5)). */
export interface ConfRegistry {
  readonly table: TomlTable;
  /** `quay.io`, `quay.io/org`, `*.example.com`. */
  readonly prefix: string;
  /** What takes the prefix's place; `undefined`: nothing does. */
  readonly location: string | undefined;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly ConfMirror[];
}

export interface ConfMirror {
  readonly table: TomlTable;
  readonly location: string;
  readonly insecure: boolean;
  readonly pulls: "all" | "digest-only" | "tag-only";
}

const PULLS = ["all", "digest-only", "tag-only"] as const;

/** @throws ImportError ERR_CONFIG_INVALID with file and line */
export function parseRegistriesConf(text: string, path: string): readonly ConfRegistry[] {
  const root = parseTomlFile(text, path);
  if (root.values["registries"] !== undefined) {
    throw invalidAt(root, "registries", "[registries…] is version 1 of the format; only 2 is read");
  }
  return tableListIn(root, "registry").map(registryOf);
}

function registryOf(table: TomlTable): ConfRegistry {
  const location = locationIn(table);
  const prefix = trimmed(textIn(table, "prefix") ?? "") || (location ?? "");
  if (prefix === "") throw invalidAt(table, undefined, "a registry needs a location or a prefix");
  const digestOnly = flagIn(table, "mirror-by-digest-only");
  const isWildcard = prefix.startsWith("*.");
  return {
    table,
    prefix,
    location: location ?? (isWildcard ? undefined : prefix),
    insecure: flagIn(table, "insecure") ?? false,
    blocked: flagIn(table, "blocked") ?? false,
    mirrors: tableListIn(table, "mirror").map((mirror) => mirrorOf(mirror, digestOnly)),
  };
}

function mirrorOf(table: TomlTable, digestOnly: boolean | undefined): ConfMirror {
  const location = locationIn(table);
  if (location === undefined) throw invalidAt(table, undefined, "a mirror needs a location");
  const text = textIn(table, "pull-from-mirror");
  const given = PULLS.find((name) => name === text);
  if (text !== undefined && given === undefined) {
    throw invalidAt(table, "pull-from-mirror", `pull-from-mirror must be ${PULLS.join(", ")}`);
  }
  if (given !== undefined && digestOnly === true) {
    const both = "pull-from-mirror and the registry's mirror-by-digest-only exclude each other";
    throw invalidAt(table, "pull-from-mirror", both);
  }
  return {
    table,
    location,
    insecure: flagIn(table, "insecure") ?? false,
    pulls: given ?? (digestOnly === true ? "digest-only" : "all"),
  };
}

function locationIn(table: TomlTable): string | undefined {
  const text = textIn(table, "location");
  if (text === undefined || text === "") return undefined;
  if (/^[a-z]+:\/\//i.test(text)) {
    throw invalidAt(table, "location", "location must be HOST[:PORT][/PATH], without a scheme");
  }
  return trimmed(text);
}

function trimmed(text: string): string {
  return text.replace(/\/+$/, "");
}

/** The registry with the longest prefix that the reference begins with. */
export function findConfRegistry(
  registries: readonly ConfRegistry[],
  { canonical }: Reference,
): ConfRegistry | undefined {
  let best: ConfRegistry | undefined;
  for (const registry of registries) {
    const fits = matchedLength(canonical, registry.prefix) !== undefined;
    if (fits && registry.prefix.length > (best?.prefix.length ?? 0)) best = registry;
  }
  return best;
}

/** How much of the reference the prefix covers. A host takes no other port along, and no other case matters in it. */
function matchedLength(canonical: string, prefix: string): number | undefined {
  const hostEnd = canonical.indexOf("/");
  const text = canonical.slice(0, hostEnd).toLowerCase() + canonical.slice(hostEnd);
  const slash = prefix.indexOf("/");
  const prefixHost = slash < 0 ? prefix : prefix.slice(0, slash);
  const wanted = prefixHost.toLowerCase() + prefix.slice(prefixHost.length);
  let from = 0;
  if (wanted.startsWith("*.")) {
    from = text.indexOf(wanted.slice(1));
    if (from < 1 || from > hostEnd) return undefined;
  }
  const end = from + wanted.replace(/^\*(?=\.)/, "").length;
  if (text.slice(from, end) !== wanted.replace(/^\*(?=\.)/, "")) return undefined;
  const next = text[end] ?? "";
  const ends = slash < 0 ? next === "/" : ["/", ":", "@", ""].includes(next);
  return ends ? end : undefined;
}

/**
 * Whom podman would ask (registry-cases MIR-2, MIR-5): a mirror for digests only is not asked what a tag names, one for
 * tags only is left out when a digest was asked for.
 * @throws ImportError ERR_CONFIG_INVALID: the registry is blocked, or a location makes no reference
 */
export function hostsOfConfRegistry(
  registry: ConfRegistry,
  reference: Reference,
  manners: RegistryManners,
): PullHosts {
  if (registry.blocked) throw blocked(registry, reference);
  const rewritten = (
    table: TomlTable,
    location: string,
  ): Pick<PullHost, "name" | "apiHost" | "repository"> =>
    rewrite(reference, { table, prefix: registry.prefix, location });
  const byDigest = reference.digest !== null;
  const mirrors = registry.mirrors.filter(({ pulls }) => !byDigest || pulls !== "tag-only");
  const own =
    registry.location === undefined
      ? { name: reference.registry, apiHost: reference.apiHost, repository: reference.repository }
      : rewritten(registry.table, registry.location);
  return {
    mirrors: mirrors.map(({ table, location, insecure, pulls }) =>
      pullHost({ ...rewritten(table, location), insecure, byTag: pulls !== "digest-only" }),
    ),
    registry: pullHost({
      ...own,
      scheme: manners.plainHttp ? "http" : undefined,
      insecure: registry.insecure || manners.insecure,
    }),
  };
}

/** The location in the prefix's place, as text; what comes out is a reference again. */
function rewrite(
  reference: Reference,
  {
    table,
    prefix,
    location,
  }: Pick<ConfRegistry, "table" | "prefix"> & { readonly location: string },
): Pick<PullHost, "name" | "apiHost" | "repository"> {
  const { canonical } = reference;
  const text = location + canonical.slice(matchedLength(canonical, prefix) ?? canonical.length);
  const [host = ""] = text.split("/", 1);
  try {
    const { registry, apiHost, repository } = parseReference(text);
    // Docker's shorthand (`hub/app` is docker.io/hub/app) is none of a location's.
    if (registry.toLowerCase() === host.toLowerCase())
      return { name: registry, apiHost, repository };
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
  }
  const why = `the location makes "${printable(text)}" of ${canonical}, which is no reference`;
  throw invalidAt(table, "location", why);
}

function blocked({ table, prefix }: ConfRegistry, reference: Reference): ImportError {
  const why = `${reference.canonical} is not to be pulled: "${printable(prefix)}" is blocked there`;
  return invalidAt(table, "blocked", why);
}
