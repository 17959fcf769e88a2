import { ImportError, printable, type ErrorCode } from "../errors.ts";
import { parseMirrorUrl, type MirrorUrl } from "../registry/mirrors/pull-host.ts";
import type { MirrorSettings } from "../registry/mirrors/resolve-hosts.ts";
import type { PullSandboxImageOptions } from "./public-types.ts";
import { requireText } from "./require-text.ts";
import type { Environment } from "./store-settings.ts";

const HUB = "docker.io";
/** Another name of it that references lose (registry-cases REF-2). */
const HUB_LEGACY = "index.docker.io";
const DOCKER_DAEMON_CONFIG = "/etc/docker/daemon.json";

/**
 * Where mirrors are configured, by options and variables; no file is read yet (registry-cases MIR-1, MIR-2).
 * @throws ImportError ERR_OPTION_INVALID, ERR_CONFIG_INVALID (a variable)
 */
export function mirrorSettings(options: PullSandboxImageOptions, env: Environment): MirrorSettings {
  for (const name of ["hostsDir", "registriesConf"] as const) {
    if (options[name] !== undefined) requireText(name, options[name]);
  }
  return {
    mirrors: ownMirrors(options, env),
    hostsDir: orNothing(options.hostsDir),
    registriesConf: orNothing(options.registriesConf ?? env["CONTAINERS_REGISTRIES_CONF"]),
    dockerDaemonConfig: options.useDockerDaemonConfig === true ? DOCKER_DAEMON_CONFIG : undefined,
  };
}

function ownMirrors(
  { mirrors = {}, registryMirrors }: PullSandboxImageOptions,
  env: Environment,
): ReadonlyMap<string, readonly MirrorUrl[]> {
  const found = new Map<string, MirrorUrl[]>();
  for (const [registry, urls] of Object.entries(mirrors)) {
    if (!/^[a-z0-9.:[\]-]+$/i.test(registry)) {
      const message = `mirrors: "${printable(registry)}" is no registry's host`;
      throw new ImportError("ERR_OPTION_INVALID", message, {
        hint: "Name the host as references do, for instance ghcr.io or docker.io.",
      });
    }
    const host = registry.toLowerCase();
    add(found, host === HUB_LEGACY ? HUB : host, urlsOf("mirrors", urls));
  }
  add(found, HUB, hubMirrors(registryMirrors, env));
  return found;
}

/** As docker's `registry-mirrors`; the variable is for those who give no option. */
function hubMirrors(
  given: PullSandboxImageOptions["registryMirrors"],
  env: Environment,
): readonly MirrorUrl[] {
  if (given !== undefined) return urlsOf("registryMirrors", given);
  const variable = "ROOTLIFT_REGISTRY_MIRRORS";
  const texts = (env[variable] ?? "").split(/[\s,]+/).filter((text) => text !== "");
  return urlsOf(variable, texts, "ERR_CONFIG_INVALID");
}

function add(found: Map<string, MirrorUrl[]>, host: string, urls: readonly MirrorUrl[]): void {
  if (urls.length > 0) found.set(host, [...(found.get(host) ?? []), ...urls]);
}

function urlsOf(
  what: string,
  texts: unknown,
  code: ErrorCode = "ERR_OPTION_INVALID",
): readonly MirrorUrl[] {
  if (!Array.isArray(texts)) throw new ImportError(code, `${what} must be an array of URLs`);
  return texts.map((text: unknown) => {
    requireText(`a URL of ${what}`, text);
    const url = parseMirrorUrl(text);
    if (typeof url !== "string") return url;
    // A URL with a password in it must not come back.
    const shown = text.includes("@") ? "a mirror's URL" : `the mirror "${printable(text)}"`;
    throw new ImportError(code, `${what}: ${shown} ${url}`, {
      hint: "Write it as https://mirror.example.com, with a path if the mirror has one.",
    });
  });
}

function orNothing(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
