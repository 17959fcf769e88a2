import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ImportError, printable } from "../errors.ts";

/** What `certs.d` holds for one host (registry-cases TLS-2; docker's and podman's layout). */
export interface HostCertificates {
  /** PEM texts of authorities, added to the system's for this host. */
  readonly authorities: readonly string[];
  readonly clientPairs: readonly ClientPair[];
}

export interface ClientPair {
  /** Where the certificate lies, printable. */
  readonly path: string;
  readonly certificate: string;
  readonly key: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Certificates are small; a file that is not is no certificate. */
const MAX_FILES = 100;

/**
 * @param hosts the names of the folder, as contacted and as in the reference: `registry-1.docker.io`, `docker.io`
 * @throws ImportError ERR_CONFIG_INVALID when a client certificate has no key, or the key no certificate
 */
export function readHostCertificates(hosts: readonly string[], env: Environment): HostCertificates {
  const folders = roots(env).flatMap((root) => foldersOf(root, hosts));
  const authorities: string[] = [];
  const clientPairs: ClientPair[] = [];
  for (const folder of folders) {
    const names = filesIn(folder);
    for (const name of names.filter((file) => file.endsWith(".crt"))) {
      authorities.push(read(join(folder, name)));
    }
    clientPairs.push(...pairsIn(folder, names));
  }
  return { authorities, clientPairs };
}

function roots(env: Environment): readonly string[] {
  const home = env["HOME"] ?? "";
  const own = [".config/containers/certs.d", ".config/docker/certs.d"];
  return [
    "/etc/docker/certs.d",
    "/etc/containers/certs.d",
    ...(home === "" ? [] : own.map((folder) => join(home, folder))),
  ];
}

/** Host names know no case (REF-8), folders do. */
function foldersOf(root: string, hosts: readonly string[]): readonly string[] {
  const wanted = new Set(hosts.map((host) => host.toLowerCase()));
  let names = hosts;
  try {
    names = readdirSync(root).filter((name) => wanted.has(name.toLowerCase()));
  } catch {
    // Not there, or not to be listed: what is in it may be readable all the same.
  }
  return names.map((name) => join(root, name));
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).toSorted().slice(0, MAX_FILES);
  } catch (error) {
    if (isMissing(error)) return [];
    throw unusable(folder, "cannot be read", error);
  }
}

function pairsIn(folder: string, names: readonly string[]): readonly ClientPair[] {
  const halves = names.filter((name) => /\.(cert|key)$/.test(name));
  for (const name of halves) {
    const other = name.endsWith(".key")
      ? name.replace(/key$/, "cert")
      : name.replace(/cert$/, "key");
    if (!names.includes(other)) {
      throw unusable(join(folder, name), `has no ${printable(other)} beside it`);
    }
  }
  return halves
    .filter((name) => name.endsWith(".cert"))
    .map((name) => ({
      path: printable(join(folder, name)),
      certificate: read(join(folder, name)),
      key: read(join(folder, name.replace(/cert$/, "key"))),
    }));
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw unusable(path, "cannot be read", error);
  }
}

function isMissing(error: unknown): boolean {
  return (
    error instanceof Error && "code" in error && ["ENOENT", "ENOTDIR"].includes(String(error.code))
  );
}

function unusable(path: string, why: string, cause?: unknown): ImportError {
  return new ImportError("ERR_CONFIG_INVALID", `${printable(path)} ${why}`, {
    hint: "A client certificate is two files, NAME.cert and NAME.key; make both readable, or remove them.",
    details: { path: printable(path) },
    ...(cause === undefined ? {} : { cause }),
  });
}
