import type { PullSandboxImageOptions } from "../../index.ts";
import type { OptionSpec, ParsedArguments } from "../command.ts";
import { flag, given, invalid, nonEmptyText, texts } from "../option-values.ts";

const MIRRORS = "Mirrors of registries";

export const MIRROR_OPTIONS: readonly OptionSpec[] = [
  {
    name: "mirror",
    value: "HOST=URL",
    repeatable: true,
    group: MIRRORS,
    describe:
      "Ask this mirror before the registry HOST, and the registry when it fails; repeatable, tried in order",
  },
  {
    name: "registry-mirror",
    value: "URL",
    repeatable: true,
    group: MIRRORS,
    describe:
      "The same for docker.io; repeatable [default: ROOTLIFT_REGISTRY_MIRRORS, separated by commas]",
  },
  {
    name: "hosts-dir",
    value: "DIR",
    group: MIRRORS,
    describe:
      "Read mirrors from containerd's HOST/hosts.toml in this folder, e.g. /etc/containerd/certs.d",
  },
  {
    name: "registries-conf",
    value: "FILE",
    group: MIRRORS,
    describe:
      "Read mirrors from podman's registries.conf, version 2 [default: CONTAINERS_REGISTRIES_CONF]",
  },
  {
    name: "use-docker-daemon-config",
    group: MIRRORS,
    describe: "Use the registry-mirrors of /etc/docker/daemon.json for docker.io",
  },
];

/** @throws UsageError */
export function mirrorOptions(args: ParsedArguments): PullSandboxImageOptions {
  const hub = texts(args, "registry-mirror");
  const daemon = flag(args, "use-docker-daemon-config");
  return {
    ...given("mirrors", mirrors(args)),
    ...given("registryMirrors", hub.length === 0 ? undefined : hub),
    ...given("hostsDir", nonEmptyText(args, "hosts-dir")),
    ...given("registriesConf", nonEmptyText(args, "registries-conf")),
    ...given("useDockerDaemonConfig", daemon ? true : undefined),
  };
}

/** `--mirror ghcr.io=https://mirror.example.com`, several times. @throws UsageError */
function mirrors(args: ParsedArguments): PullSandboxImageOptions["mirrors"] {
  const found = new Map<string, string[]>();
  for (const pair of texts(args, "mirror")) {
    const [, host = "", url = ""] = /^([^=/]+)=(.+)$/.exec(pair) ?? [];
    if (host === "") {
      // What may hold a password is not printed.
      const shown = pair.includes("@") ? "…" : pair;
      throw invalid(args, "mirror", shown, "it must be HOST=URL, e.g. ghcr.io=https://mirror.lan");
    }
    found.set(host, [...(found.get(host) ?? []), url]);
  }
  return found.size === 0 ? undefined : Object.fromEntries(found);
}
