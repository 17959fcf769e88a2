/** What Docker Hub is called where logins are kept, best first (CRED-4); the first is what `docker login` writes. */
const HUB_KEYS = [
  "https://index.docker.io/v1/",
  "docker.io",
  "index.docker.io",
  "https://index.docker.io/v1",
  "registry-1.docker.io",
];
const HUB_HOSTS = ["docker.io", "index.docker.io", "registry-1.docker.io"];
/** Another name of the Hub, kept as typed in references; the Hub's login counts there too (REF-2). */
const HUB_API_HOST = "registry-1.docker.io";

/** What a helper is asked for: the registry as it is written, except for Docker Hub. */
export function helperServerUrl(registry: string): string {
  return isHub(registry) ? (HUB_KEYS[0] ?? registry) : registry;
}

/** The keys under which `credHelpers` may list a registry, best first; no suffixes, no URLs. */
export function helperKeys(registry: string): readonly string[] {
  return exactKeys(registry);
}

/**
 * The keys of `auths` that hold for a repository, best first (CRED-3): path keys, longest first; the registry itself;
 * URLs of it. In docker's own file last of all whatever has the host before its first `/`: docker reads it so.
 *
 * @param keys those of the file, in its order
 */
export function matchingAuthKeys(
  keys: readonly string[],
  target: { readonly registry: string; readonly repository: string },
  dockerRules: boolean,
): readonly string[] {
  const { registry, repository } = target;
  const hosts = isHub(registry) ? HUB_HOSTS : [registry.toLowerCase()];
  const wanted = [...pathKeys(registry, repository), ...exactKeys(registry)];
  return [
    ...new Set([
      ...wanted.flatMap((key) => sameKeys(keys, key)),
      ...keys.filter((key) => isUrl(key) && hosts.includes(hostOf(key))),
      ...keys.filter((key) => dockerRules && !isUrl(key) && hosts.includes(hostOf(key))),
    ]),
  ];
}

function isHub(registry: string): boolean {
  const host = registry.toLowerCase();
  return host === "docker.io" || host === HUB_API_HOST;
}

function exactKeys(registry: string): readonly string[] {
  if (!isHub(registry)) return [registry];
  return registry.toLowerCase() === HUB_API_HOST ? [HUB_API_HOST, ...HUB_KEYS] : HUB_KEYS;
}

/** `quay.io/a/b` → `quay.io/a/b`, `quay.io/a`: only whole components, so `quay.io/te` holds for no `quay.io/team`. */
function pathKeys(registry: string, repository: string): readonly string[] {
  const parts = repository.split("/");
  const hosts = isHub(registry) ? [registry, "docker.io"] : [registry];
  return parts.flatMap((_, dropped) => {
    const path = parts.slice(0, parts.length - dropped).join("/");
    return hosts.map((host) => `${host}/${path}`);
  });
}

/** Those of `keys` that say the same, the one written alike first: DNS knows no case (RFC 4343), paths do. */
export function sameKeys(keys: readonly string[], wanted: string): readonly string[] {
  const folded = foldHost(wanted);
  const same = keys.filter((key) => foldHost(key) === folded);
  return same.toSorted((a, b) => Number(b === wanted) - Number(a === wanted));
}

function foldHost(key: string): string {
  return key.replace(/^(?:https?:\/\/)?[^/]*/i, (host) => host.toLowerCase());
}

function isUrl(key: string): boolean {
  return /^https?:\/\//i.test(key);
}

/** `https://user@host:1/v2/` → `host:1`. Default ports are not filled in: ports must agree as written. */
function hostOf(key: string): string {
  const authority = /^(?:https?:\/\/)?([^/?#]*)/i.exec(key)?.[1] ?? "";
  const host = isUrl(key) ? authority.replace(/^.*@/, "").replace(/:$/, "") : authority;
  return host.toLowerCase();
}
