import { posix } from "node:path";
import { conceal } from "../../auth/conceal.ts";
import type { Reference } from "../../oci/parse-reference.ts";
import type { HostCertificates } from "../certs-d.ts";
import { parseTarget } from "../http-target.ts";

/** A host that is asked for an image: the registry, or a mirror of it. */
export interface PullHost {
  /** Under which its credentials and its `certs.d` are looked up: `docker.io`, `mirror.example.com:5000`. */
  readonly name: string;
  /** Where requests go: `registry-1.docker.io`. */
  readonly apiHost: string;
  /** `undefined`: https, but loopback and `insecure` hosts are asked which of the two they speak. */
  readonly scheme: "http" | "https" | undefined;
  /** What stands before the repository: `/v2`, `/hub/v2`. */
  readonly basePath: string;
  /** As this host calls it: `library/alpine`, `proxy-hub/library/alpine`. */
  readonly repository: string;
  /** Of every request, without its `?`: `ns=docker.io`, or nothing. */
  readonly query: string;
  /** Its word for what a tag names is taken. */
  readonly byTag: boolean;
  /** It may be asked for what a digest names. */
  readonly byDigest: boolean;
  /** Its certificate is not checked. */
  readonly insecure: boolean;
  /** Sent to this host and no other; may be secrets, so not enumerable. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Besides those of `certs.d`. */
  readonly certificates: HostCertificates;
}

/** Who is asked, in this order; the registry last. */
export interface PullHosts {
  readonly mirrors: readonly PullHost[];
  readonly registry: PullHost;
}

/** How the registry itself is spoken to, by `--plain-http` and `--insecure`. */
export interface RegistryManners {
  readonly plainHttp: boolean;
  readonly insecure: boolean;
}

export interface MirrorUrl {
  readonly scheme: "http" | "https";
  /** Without the scheme's own port. */
  readonly host: string;
  /** `/a/b`, or nothing. */
  readonly path: string;
}

/** What is known of a host besides its URL; all of it may be absent. */
export interface MirrorTraits extends Partial<
  Pick<PullHost, "query" | "byTag" | "byDigest" | "insecure" | "headers" | "certificates">
> {
  /** The path is the whole base: no `/v2` is put behind it (containerd's `override_path`). */
  readonly overridePath?: boolean;
}

const API = "/v2";
const NO_CERTIFICATES: HostCertificates = { authorities: [], clientPairs: [] };

/** @returns why it is none, where it is none: the end of "it …" */
export function parseMirrorUrl(text: string): MirrorUrl | string {
  const target = parseTarget(text);
  if (target === "user info")
    return "holds a user or password; store the login with `docker login`";
  if (typeof target === "string") return "is no URL that begins with http:// or https://";
  if (/[?#]/.test(text)) return "has a query or a fragment";
  const path = posix.normalize(target.path).replace(/\/$/, "");
  if (/%|\\/.test(path)) return "has a path with characters that no registry has";
  return { scheme: target.scheme, host: target.host, path };
}

/** The registry of a reference, as it is without any configuration. */
export function registryHost(reference: Reference, manners: RegistryManners): PullHost {
  return pullHost({
    name: reference.registry,
    apiHost: reference.apiHost,
    scheme: manners.plainHttp ? "http" : undefined,
    repository: reference.repository,
    insecure: manners.insecure,
  });
}

/** A host by its URL: a path is put before `/v2` (registry-cases MIR-6). */
export function mirrorHost(
  { scheme, host, path }: MirrorUrl,
  repository: string,
  { overridePath = false, ...traits }: MirrorTraits = {},
): PullHost {
  const common = { ...traits, headers: traits.headers, name: host, apiHost: host, scheme };
  if (overridePath && path.startsWith(`${API}/`)) {
    // `/v2/proxy-hub` is a repository's beginning: what tokens and logins are for.
    return pullHost({ ...common, repository: `${path.slice(API.length + 1)}/${repository}` });
  }
  const basePath = overridePath || path.endsWith(API) ? path : `${path}${API}`;
  return pullHost({ ...common, repository, basePath });
}

/** A host with everything filled in that it was not given. */
export function pullHost(
  given: Pick<PullHost, "name" | "repository"> & {
    readonly [Key in keyof PullHost]?: PullHost[Key] | undefined;
  },
): PullHost {
  return conceal(
    {
      name: given.name,
      apiHost: given.apiHost ?? given.name,
      scheme: given.scheme,
      basePath: given.basePath ?? API,
      repository: given.repository,
      query: given.query ?? "",
      byTag: given.byTag ?? true,
      byDigest: given.byDigest ?? true,
      insecure: given.insecure ?? false,
      headers: given.headers ?? {},
      certificates: given.certificates ?? NO_CERTIFICATES,
    },
    "headers",
  );
}
