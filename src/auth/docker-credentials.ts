import { homedir } from "node:os";
import { join } from "node:path";
import { ImportError, printable } from "../errors.ts";
import { foundLogin, passwordLogin, type Login } from "./auth-entry.ts";
import type { CredentialProvider, FoundCredentials } from "./credential-provider.ts";
import { askCredentialHelper, type HelperSettings } from "./credential-helper.ts";
import {
  chooseHelper,
  findStoredLogin,
  parseDockerConfig,
  readConfigText,
  type DockerConfig,
} from "./docker-config.ts";
import { OncePerKey } from "./once-per-key.ts";

export interface DockerCredentialsOptions {
  /** Where the variables are read from, and what helpers get. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default: `HOME` of `env`, else the user's home. */
  readonly homePath?: string;
  /** For `/run/containers/<uid>/auth.json`; default: this process's. */
  readonly uid?: number;
  /**
   * The registry of the reference: the only one that ROOTLIFT_USERNAME and ROOTLIFT_PASSWORD are for, so that they never
   * reach a mirror or a redirect's target. Default: the first registry asked about.
   */
  readonly loginRegistry?: string;
  /** How long a helper may take; default 30 s. */
  readonly helperTimeoutMs?: number;
  /** Gets what helpers write to stderr, made printable. */
  readonly onDebug?: (line: string) => void;
}

/** A place where logins are kept. */
interface ConfigPlace {
  /** Unlike the label, different for every place. */
  readonly key: string;
  readonly label: string;
  readonly dockerRules: boolean;
  /** @returns `undefined` when there is nothing */
  read(signal: AbortSignal): Promise<string | undefined>;
}

/**
 * The logins of docker and podman, in the order of CRED-1: ROOTLIFT_USERNAME with ROOTLIFT_PASSWORD, REGISTRY_AUTH_FILE,
 * DOCKER_AUTH_CONFIG, docker's config, podman's auth files. A later place is looked at only when the earlier ones have
 * nothing. No file is read and no helper asked the same thing twice; what they say stays in memory (CRED-9).
 */
export function createDockerCredentials(options: DockerCredentialsOptions): CredentialProvider {
  const places = configPlaces(options);
  const answers = new OncePerKey<FoundCredentials | undefined>();
  const configs = new OncePerKey<DockerConfig | undefined>();
  const helperLogins = new OncePerKey<Login | undefined>();
  let { loginRegistry } = options;
  const helperSettings: HelperSettings = {
    env: options.env,
    timeoutMs: options.helperTimeoutMs,
    onDebug: options.onDebug,
  };

  const readConfig = async (place: ConfigPlace, signal: AbortSignal) =>
    configs.get(place.key, signal, async () => {
      const text = await place.read(signal);
      return text === undefined
        ? undefined
        : parseDockerConfig(text, place.label, place.dockerRules);
    });

  const askHelper = async (config: DockerConfig, registry: string, signal: AbortSignal) => {
    const question = chooseHelper(config, registry);
    if (question === undefined) return undefined;
    const key = `${question.name}\0${question.serverUrl}`;
    const login = await helperLogins.get(key, signal, async () =>
      askCredentialHelper(question, helperSettings, signal),
    );
    const origin = `docker-credential-${printable(question.name)} (${question.configuredBy})`;
    return login === undefined ? undefined : foundLogin(login, origin);
  };

  const find = async (registry: string, repository: string, signal: AbortSignal) => {
    loginRegistry ??= registry;
    const own = registry.toLowerCase() === loginRegistry.toLowerCase();
    const given = own ? loginOfEnvironment(options.env) : undefined;
    if (given !== undefined) return given;
    for (const place of places) {
      const config = await readConfig(place, signal);
      if (config === undefined) continue;
      const found =
        (await askHelper(config, registry, signal)) ?? storedLogin(config, registry, repository);
      if (found !== undefined) return found;
    }
    return undefined;
  };

  return {
    credentialsFor: async (registry, repository, signal) =>
      answers.get(`${registry.toLowerCase()}\0${repository}`, signal, async () =>
        find(registry, repository, signal),
      ),
  };
}

function storedLogin(
  config: DockerConfig,
  registry: string,
  repository: string,
): FoundCredentials | undefined {
  const login = findStoredLogin(config, registry, repository);
  if (login === undefined) return undefined;
  return foundLogin(login, `${config.label} (auths "${printable(login.key)}")`);
}

/** @throws ImportError ERR_CONFIG_INVALID when one is set without the other */
function loginOfEnvironment(env: DockerCredentialsOptions["env"]): FoundCredentials | undefined {
  const username = env["ROOTLIFT_USERNAME"] ?? "";
  const password = env["ROOTLIFT_PASSWORD"] ?? "";
  if (username === "" && password === "") return undefined;
  const login = passwordLogin(username, password);
  if (login !== undefined) {
    return foundLogin(login, "ROOTLIFT_USERNAME and ROOTLIFT_PASSWORD");
  }
  const [set, unset] =
    password === ""
      ? ["ROOTLIFT_USERNAME", "ROOTLIFT_PASSWORD"]
      : ["ROOTLIFT_PASSWORD", "ROOTLIFT_USERNAME"];
  throw new ImportError("ERR_CONFIG_INVALID", `${set} is set, but ${unset} is not`, {
    hint: `Set ${unset} too, or unset ${set}.`,
  });
}

function configPlaces(options: DockerCredentialsOptions): readonly ConfigPlace[] {
  const { env } = options;
  const home = options.homePath ?? (setTo(env, "HOME") || homedir());
  const file = (path: string, dockerRules: boolean): ConfigPlace => {
    const label = homeRelative(path, home);
    const read = async (signal: AbortSignal) => readConfigText(path, label, signal);
    return { key: path, label, dockerRules, read };
  };
  return [
    ...registryAuthFile(setTo(env, "REGISTRY_AUTH_FILE")),
    ...dockerAuthConfig(setTo(env, "DOCKER_AUTH_CONFIG")),
    file(join(setTo(env, "DOCKER_CONFIG") || join(home, ".docker"), "config.json"), true),
    ...podmanRuntimePaths(options).map((path) => file(path, false)),
    file(
      join(setTo(env, "XDG_CONFIG_HOME") || join(home, ".config"), "containers", "auth.json"),
      false,
    ),
  ];
}

function podmanRuntimePaths({ env, uid }: DockerCredentialsOptions): readonly string[] {
  const runtime = setTo(env, "XDG_RUNTIME_DIR");
  if (runtime !== "") return [join(runtime, "containers", "auth.json")];
  const user = uid ?? process.getuid?.();
  return user === undefined ? [] : [`/run/containers/${user}/auth.json`];
}

/** A file that somebody named must be there. */
function registryAuthFile(path: string): readonly ConfigPlace[] {
  if (path === "") return [];
  const label = `${printable(path)} (REGISTRY_AUTH_FILE)`;
  const read = async (signal: AbortSignal): Promise<string> => {
    const text = await readConfigText(path, label, signal);
    if (text !== undefined) return text;
    throw new ImportError("ERR_CONFIG_INVALID", `${label} does not exist`, {
      hint: "Correct REGISTRY_AUTH_FILE, or unset it.",
    });
  };
  return [{ key: `REGISTRY_AUTH_FILE ${path}`, label, dockerRules: false, read }];
}

function dockerAuthConfig(text: string): readonly ConfigPlace[] {
  if (text === "") return [];
  const label = "DOCKER_AUTH_CONFIG";
  return [{ key: label, label, dockerRules: true, read: async () => text }];
}

/** An empty variable is as good as none. */
function setTo(env: DockerCredentialsOptions["env"], name: string): string {
  return env[name] ?? "";
}

function homeRelative(path: string, home: string): string {
  const base = `${home.replace(/\/+$/, "")}/`;
  return printable(base !== "/" && path.startsWith(base) ? `~/${path.slice(base.length)}` : path);
}
