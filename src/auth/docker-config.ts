import { createReadStream } from "node:fs";
import { cancellation, ImportError, printable } from "../errors.ts";
import { isObject, type JsonObject } from "../oci/json-object.ts";
import { fieldOf } from "./any-case-field.ts";
import { loginOfEntry, type Login } from "./auth-entry.ts";
import { helperKeys, helperServerUrl, matchingAuthKeys, sameKeys } from "./auth-keys.ts";
import { jsonErrorPosition } from "./json-position.ts";

/** A docker `config.json` or podman `auth.json`, checked; its entries are read only when one is needed. */
export interface DockerConfig {
  /** What messages call it: `~/.docker/config.json`, `DOCKER_AUTH_CONFIG`. */
  readonly label: string;
  /** Docker's own file: keys are also cut at their first `/` (CRED-3). */
  readonly dockerRules: boolean;
  readonly auths: ReadonlyMap<string, unknown>;
  readonly credHelpers: ReadonlyMap<string, unknown>;
  /** Empty: none. */
  readonly credsStore: string;
}

/** Which helper to ask, and what for. */
export interface HelperChoice {
  /** Of `docker-credential-<name>`; safe to look up on PATH. */
  readonly name: string;
  readonly serverUrl: string;
  /** For messages: `credsStore of ~/.docker/config.json`. */
  readonly configuredBy: string;
}

export interface StoredLogin extends Login {
  /** The key of `auths` that it stands under. */
  readonly key: string;
}

/** A config with thousands of logins has a tenth of this (CRED-11). */
const CONFIG_BYTES = 1 << 20;

/**
 * Reads a config file.
 *
 * @param label what messages call it
 * @param hint what to do about a file that cannot be read
 * @returns `undefined` when there is no such file
 * @throws ImportError ERR_CONFIG_INVALID when it cannot be read or is too large; ERR_CANCELLED
 */
export async function readConfigText(
  path: string,
  label: string,
  signal: AbortSignal,
  hint = "Make the file readable for this user, or name another one with REGISTRY_AUTH_FILE.",
): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  try {
    // One byte more than allowed shows that there is more; `/dev/zero` has no size to ask for.
    const stream = createReadStream(path, { end: CONFIG_BYTES, signal });
    for await (const chunk of stream) if (chunk instanceof Uint8Array) chunks.push(chunk);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (signal.aborted) throw cancellation(signal);
    throw new ImportError("ERR_CONFIG_INVALID", `${label} cannot be read (${code})`, {
      hint,
      details: { path: printable(path) },
    });
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.length > CONFIG_BYTES) throw invalid(label, `is larger than ${CONFIG_BYTES} bytes`);
  // The decoder drops a byte order mark, which editors on Windows write.
  return new TextDecoder().decode(bytes);
}

/**
 * Parses a config (CRED-11): nothing at all is an empty one, fields that are not about logins are not looked at.
 *
 * @throws ImportError ERR_CONFIG_INVALID with the place of an error, never with what stands there
 */
export function parseDockerConfig(text: string, label: string, dockerRules: boolean): DockerConfig {
  const fields = text.trim() === "" ? {} : parseFields(text, label);
  const credsStore = fieldOf(fields, "credsStore") ?? "";
  if (typeof credsStore !== "string") throw invalid(label, 'has a "credsStore" that is no string');
  return {
    label,
    dockerRules,
    auths: objectField(fields, "auths", label),
    credHelpers: objectField(fields, "credHelpers", label),
    credsStore,
  };
}

/**
 * The helper that a config wants for a registry (CRED-2): the one listed for it and no other, else the store.
 *
 * @throws ImportError ERR_CONFIG_INVALID when its name could lead away from PATH (CRED-10)
 */
export function chooseHelper(config: DockerConfig, registry: string): HelperChoice | undefined {
  const listed = [...config.credHelpers.keys()];
  const key = helperKeys(registry).flatMap((wanted) => sameKeys(listed, wanted))[0];
  const field = key === undefined ? "credsStore" : `credHelpers "${printable(key)}"`;
  const name = key === undefined ? config.credsStore : config.credHelpers.get(key);
  if (typeof name !== "string") throw invalid(config.label, `has no string as ${field}`);
  // An empty name under `credHelpers` switches the store off for this host.
  if (name === "") return undefined;
  if (/[/\\\0]/.test(name)) {
    // Attack: `docker-credential-../../x` is no program on PATH, but a file of somebody's choice.
    throw invalid(config.label, `names a program as ${field} that is no plain name`);
  }
  const serverUrl = key === undefined ? helperServerUrl(registry) : key;
  return { name, serverUrl, configuredBy: `${field} of ${config.label}` };
}

/**
 * The best login that `auths` holds for a repository (CRED-3); entries without a secret are passed over.
 *
 * @throws ImportError ERR_CONFIG_INVALID when the entry that counts cannot be used; other entries are not read
 */
export function findStoredLogin(
  config: DockerConfig,
  registry: string,
  repository: string,
): StoredLogin | undefined {
  const { auths, label, dockerRules } = config;
  for (const key of matchingAuthKeys([...auths.keys()], { registry, repository }, dockerRules)) {
    const login = loginOfEntry(auths.get(key), `${label}: auths "${printable(key)}"`);
    if (login !== undefined) return { ...login, key };
  }
  return undefined;
}

function parseFields(text: string, label: string): JsonObject {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // Without the cause: V8's message quotes the text around the error.
    const { line, column } = jsonErrorPosition(text);
    throw invalid(label, `is not JSON (line ${line}, column ${column})`);
  }
  // What Go makes of `null`: nothing at all.
  if (document === null) return {};
  if (!isObject(document)) throw invalid(label, "is JSON, but no object");
  return document;
}

function objectField(
  fields: JsonObject,
  name: string,
  label: string,
): ReadonlyMap<string, unknown> {
  const value = fieldOf(fields, name) ?? {};
  if (!isObject(value)) throw invalid(label, `has "${name}" that is no object`);
  // A map and not the object: a host may be called `constructor`.
  return new Map<string, unknown>(Object.entries(value));
}

function invalid(label: string, what: string): ImportError {
  return new ImportError("ERR_CONFIG_INVALID", `${label} ${what}`, {
    hint: `Correct ${label}, or write it anew with \`docker login\`.`,
  });
}
