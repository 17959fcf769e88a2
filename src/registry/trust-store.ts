import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { SecureContext, SecureContextOptions } from "node:tls";
import { createSecureContext, getCACertificates } from "node:tls";
import { hostClass } from "../auth/host-class.ts";
import { ImportError } from "../errors.ts";
import type { HostCertificates } from "./certs-d.ts";
import { readHostCertificates } from "./certs-d.ts";
import type { HttpTarget } from "./http-target.ts";
import { parseTarget } from "./http-target.ts";

/** How the certificate of a host is judged; hosts with the same `key` share connections' settings. */
export interface Trust {
  readonly key: string;
  readonly rejectUnauthorized: boolean;
  readonly secureContext?: SecureContext;
}

export interface TrustOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** No certificate is checked (TLS-3). */
  readonly insecure: boolean;
  /** The registry as contacted and as in the reference: `registry-1.docker.io`, `docker.io`. */
  readonly registryHosts: readonly string[];
  /** For the registry, besides those of `certs.d`. */
  readonly certificates?: HostCertificates;
}

const SYSTEM_BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** Bundles of all the world's authorities have a few hundred KiB. */
const MAX_BYTES = 16 << 20;

/**
 * Decides which authorities are believed, for which host. Contexts are built when they are first needed, since reading
 * the system's roots costs tens of milliseconds, and shared, since parsing them costs as much for every connection.
 */
export class TrustStore {
  readonly #options: TrustOptions;
  #general: Trust | undefined;
  #registry: Trust | undefined;
  #certificates: HostCertificates | undefined;

  constructor(options: TrustOptions) {
    this.#options = options;
  }

  /** @throws ImportError ERR_CONFIG_INVALID when certs.d is unusable */
  trustFor(target: HttpTarget): Trust {
    const isRegistry = this.#options.registryHosts.some((host) => isAt(target, host));
    if (isRegistry) return (this.#registry ??= this.#trustOfRegistry(target));
    if (this.#believesAnything(target)) return UNVERIFIED;
    return (this.#general ??= {
      key: "general",
      rejectUnauthorized: true,
      secureContext: createSecureContext({ ca: this.#roots() }),
    });
  }

  /** docker treats loopback as insecure; a CA in certs.d for the host says that somebody means to check (TLS-6). */
  #trustOfRegistry(target: HttpTarget): Trust {
    this.#certificates ??= this.#ownCertificates();
    const { authorities, clientPairs } = this.#certificates;
    const unverified =
      this.#options.insecure || (authorities.length === 0 && this.#believesAnything(target));
    if (unverified && clientPairs.length === 0) return UNVERIFIED;
    const ca = unverified ? [] : [...this.#roots(), ...authorities];
    return {
      key: "registry",
      rejectUnauthorized: !unverified,
      secureContext: contextWithPair(ca, this.#certificates),
    };
  }

  #ownCertificates(): HostCertificates {
    const { registryHosts, env, certificates } = this.#options;
    const found = readHostCertificates(registryHosts, env);
    if (certificates === undefined) return found;
    return {
      authorities: [...certificates.authorities, ...found.authorities],
      clientPairs: [...certificates.clientPairs, ...found.clientPairs],
    };
  }

  #believesAnything(target: HttpTarget): boolean {
    return this.#options.insecure || hostClass(target.hostname) === "loopback";
  }

  /** Node's own list with `NODE_EXTRA_CA_CERTS`, and the system's: `docker pull` believes the latter too (TLS-1). */
  #roots(): string[] {
    const { env } = this.#options;
    const file = env["SSL_CERT_FILE"] ?? "";
    const folder = env["SSL_CERT_DIR"] ?? "";
    if (process.platform !== "linux" && file === "" && folder === "") {
      return [...getCACertificates("default"), ...getCACertificates("system")];
    }
    const bundles = file === "" ? SYSTEM_BUNDLES : [file];
    const bundle = bundles.map(readOrNothing).find((text) => text !== "") ?? "";
    const own = folder.split(":").flatMap((one) => (one === "" ? [] : certificatesIn(one)));
    return [...getCACertificates("default"), bundle, ...own].filter((text) => text !== "");
  }
}

/** By host and port, whichever way the port of https is written. */
function isAt(target: HttpTarget, host: string): boolean {
  const other = parseTarget(`${target.scheme}://${host}/`);
  return typeof other !== "string" && other.origin === target.origin;
}

const UNVERIFIED: Trust = { key: "unverified", rejectUnauthorized: false };

/** Several pairs may lie there; the first that loads is used (TLS-2). */
function contextWithPair(ca: string[], { clientPairs }: HostCertificates): SecureContext {
  const base: SecureContextOptions = ca.length === 0 ? {} : { ca };
  const failures: unknown[] = [];
  for (const { certificate, key } of clientPairs) {
    try {
      return createSecureContext({ ...base, cert: certificate, key });
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) {
    throw new ImportError(
      "ERR_CONFIG_INVALID",
      `the client certificate ${clientPairs[0]?.path ?? "of certs.d"} cannot be used`,
      {
        hint: "Check that NAME.cert and NAME.key are PEM files that belong together.",
        cause: failures[0],
      },
    );
  }
  return createSecureContext(base);
}

/** Every file, whatever its name, as OpenSSL's users and Go's have it; what holds no certificate is passed over. */
function certificatesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .map((name) => join(folder, name))
      .filter((path) => (statSync(path, { throwIfNoEntry: false })?.size ?? Infinity) < MAX_BYTES)
      .map(readOrNothing)
      .filter((text) => text.includes("-----BEGIN "));
  } catch {
    return [];
  }
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
