import { X509Certificate } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readConfigText } from "../../auth/docker-config.ts";
import { ImportError, printable } from "../../errors.ts";
import type { Reference } from "../../oci/parse-reference.ts";
import type { HostCertificates } from "../certs-d.ts";
import { parseDockerDaemonConfig } from "./docker-daemon-config.ts";
import type { HostsTomlEntry } from "./hosts-toml.ts";
import { parseHostsToml } from "./hosts-toml.ts";
import type { MirrorUrl, PullHost, PullHosts, RegistryManners } from "./pull-host.ts";
import { mirrorHost, pullHost, registryHost } from "./pull-host.ts";
import { findConfRegistry, hostsOfConfRegistry, parseRegistriesConf } from "./registries-conf.ts";
import { invalidAt } from "./toml-file.ts";

/** Where mirrors are configured, the first that has the registry wins (registry-cases MIR-2). */
export interface MirrorSettings {
  /** Registry, in lower case → its mirrors, in order. */
  readonly mirrors: ReadonlyMap<string, readonly MirrorUrl[]>;
  /** Folder of containerd's `HOST/hosts.toml`. */
  readonly hostsDir?: string | undefined;
  /** podman's `registries.conf`, version 2. */
  readonly registriesConf?: string | undefined;
  /** dockerd's `daemon.json`; may be missing. */
  readonly dockerDaemonConfig?: string | undefined;
}

const HUB = "docker.io";

/**
 * Who is asked for an image, and in which order. Reads the files that are named, and nothing else.
 * @throws ImportError ERR_CONFIG_INVALID with file and line
 */
export async function resolveHosts(
  reference: Reference,
  settings: MirrorSettings,
  manners: RegistryManners,
): Promise<PullHosts> {
  const own = settings.mirrors.get(reference.registry.toLowerCase());
  if (own !== undefined) return mirrored(own, reference, manners);
  const { hostsDir, registriesConf, dockerDaemonConfig } = settings;
  const configured =
    (hostsDir === undefined ? undefined : await fromHostsDir(hostsDir, reference, manners)) ??
    (registriesConf === undefined
      ? undefined
      : await fromRegistriesConf(registriesConf, reference, manners));
  if (configured !== undefined) return configured;
  if (dockerDaemonConfig === undefined || reference.registry !== HUB) {
    return mirrored([], reference, manners);
  }
  const text = (await read(dockerDaemonConfig)) ?? "";
  return mirrored(parseDockerDaemonConfig(text, dockerDaemonConfig), reference, manners);
}

function mirrored(
  urls: readonly MirrorUrl[],
  reference: Reference,
  manners: RegistryManners,
): PullHosts {
  const { insecure } = manners;
  return {
    mirrors: urls.map((url) => mirrorHost(url, reference.repository, { insecure })),
    registry: registryHost(reference, manners),
  };
}

async function fromRegistriesConf(
  path: string,
  reference: Reference,
  manners: RegistryManners,
): Promise<PullHosts | undefined> {
  const text = await read(path);
  if (text === undefined) throw missing(path);
  const registry = findConfRegistry(parseRegistriesConf(text, path), reference);
  return registry === undefined ? undefined : hostsOfConfRegistry(registry, reference, manners);
}

async function fromHostsDir(
  root: string,
  reference: Reference,
  manners: RegistryManners,
): Promise<PullHosts | undefined> {
  const folder = await folderOf(root, reference.registry);
  if (folder === undefined) return undefined;
  const path = join(root, folder, "hosts.toml");
  const text = await read(path);
  // containerd: a folder without the file holds certificates, and an empty file is as good as none.
  if (text === undefined || text === "") return undefined;
  const { hosts, server } = parseHostsToml(text, path);
  const mirrors = await Promise.all(
    hosts.flatMap((entry) =>
      entry.url === undefined
        ? []
        : [hostOfEntry({ entry, url: entry.url, base: join(root, folder), reference })],
    ),
  );
  const registry = await registryOfEntry(server, { base: join(root, folder), reference, manners });
  return withoutTwin(
    mirrors.filter(({ byTag, byDigest }) => byTag || byDigest),
    registry,
  );
}

/** Many files name the registry as the last host too, and say more of it there: it is asked once, with patience. */
function withoutTwin(mirrors: readonly PullHost[], registry: PullHost): PullHosts {
  const last = mirrors.at(-1);
  const isTwin =
    last !== undefined &&
    last.byTag &&
    last.byDigest &&
    (["apiHost", "basePath", "repository"] as const).every((key) => last[key] === registry[key]) &&
    last.scheme === (registry.scheme ?? "https");
  if (!isTwin) return { mirrors, registry };
  const insecure = last.insecure || registry.insecure;
  return {
    mirrors: mirrors.slice(0, -1),
    registry: pullHost({ ...last, headers: last.headers, insecure }),
  };
}

/** `HOST_PORT_`, `HOST:PORT` or `_default`, the first that is there; host names know no case, folders do. */
async function folderOf(root: string, registry: string): Promise<string | undefined> {
  let names: readonly string[];
  try {
    names = await readdir(root);
  } catch {
    throw missing(root);
  }
  const host = registry.toLowerCase();
  const wanted = [host.replace(/^(.+):([^:\]]*)$/, "$1_$2_"), host, "_default"];
  return wanted
    .map((name) => names.find((there) => there.toLowerCase() === name))
    .find((name) => name !== undefined);
}

/** Whoever is not the registry is told whose image is meant: a cache may serve many registries (MIR-3). */
async function hostOfEntry(facts: {
  readonly entry: HostsTomlEntry;
  readonly url: MirrorUrl;
  readonly base: string;
  readonly reference: Reference;
}): Promise<PullHost> {
  const { entry, url, base, reference } = facts;
  // `docker.io` in containerd's own examples.
  const own = [reference.apiHost, reference.registry].map((host) => host.toLowerCase());
  const isRegistry = own.includes(url.host);
  const host = mirrorHost(url, reference.repository, {
    overridePath: entry.overridePath,
    ...(await traitsOf(entry, base)),
    query: isRegistry ? "" : `ns=${encodeURIComponent(reference.registry)}`,
  });
  if (!isRegistry) return host;
  const { headers } = host;
  return pullHost({ ...host, headers, name: reference.registry, apiHost: reference.apiHost });
}

/** What stands before the first host is about the registry, or about who is asked in its stead. */
async function registryOfEntry(
  entry: HostsTomlEntry,
  context: {
    readonly base: string;
    readonly reference: Reference;
    readonly manners: RegistryManners;
  },
): Promise<PullHost> {
  const { base, reference, manners } = context;
  const { url } = entry;
  const itself = registryHost(reference, manners);
  const traits = await traitsOf(entry, base);
  const insecure = traits.insecure || manners.insecure;
  if (url === undefined)
    return pullHost({ ...itself, ...traits, headers: traits.headers, insecure });
  const host = await hostOfEntry({ entry, url, base, reference });
  return pullHost({ ...host, headers: host.headers, insecure });
}

async function traitsOf(
  entry: HostsTomlEntry,
  base: string,
): Promise<Pick<PullHost, "byTag" | "byDigest" | "insecure" | "headers" | "certificates">> {
  return {
    byTag: entry.resolves,
    byDigest: entry.pulls,
    insecure: entry.skipVerify,
    headers: entry.headers,
    certificates: await certificatesOf(entry, base),
  };
}

async function certificatesOf(
  { table, authorityPaths, clientPaths }: HostsTomlEntry,
  base: string,
): Promise<HostCertificates> {
  const readPem = async (key: string, path: string, isCertificate: boolean): Promise<string> => {
    const text = (await read(resolve(base, path))) ?? "";
    if (text !== "" && (!isCertificate || isPem(text))) return text;
    const what = text === "" ? "is missing or empty" : "holds no certificate (PEM)";
    throw invalidAt(table, key, `${printable(resolve(base, path))} ${what}`);
  };
  return {
    authorities: await Promise.all(authorityPaths.map((path) => readPem("ca", path, true))),
    clientPairs: await Promise.all(
      clientPaths.map(async ([certificate, key]) => ({
        path: printable(resolve(base, certificate)),
        certificate: await readPem("client", certificate, true),
        key: await readPem("client", key, false),
      })),
    ),
  };
}

function isPem(text: string): boolean {
  try {
    return new X509Certificate(text).subject !== undefined;
  } catch {
    return false;
  }
}

async function read(path: string): Promise<string | undefined> {
  const hint =
    "Make the file readable for this user, or leave out the option or variable that names it.";
  return readConfigText(path, printable(path), AbortSignal.any([]), hint);
}

function missing(path: string): ImportError {
  const where = printable(path);
  return new ImportError("ERR_CONFIG_INVALID", `${where} is not there, or cannot be read`, {
    hint: "Check the path of --hosts-dir, --registries-conf or CONTAINERS_REGISTRIES_CONF.",
    details: { path: where },
  });
}
