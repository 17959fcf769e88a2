import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inspect } from "node:util";
import type { Credentials, FoundCredentials } from "../../../src/auth/credential-provider.ts";
import { createDockerCredentials } from "../../../src/auth/docker-credentials.ts";
import { ImportError } from "../../../src/errors.ts";
import {
  compareError,
  compareFields,
  expectedErrorOf,
  isObject,
  textOf,
  type JsonObject,
} from "./expect-row.ts";
import type { TableRunner } from "./table-runner.ts";

/** A user that no machine has, so that no row reads a real `/run/containers/<uid>/auth.json`. */
const NOBODY = 4_000_000_000;
/** For rows with `hangs` only: a helper that answers may take its time on a busy machine. */
const HANGING_TIMEOUT_MS = 500;

/** `docker-config.json`: files, environment and helpers → the credentials for a registry. */
export const tableRunner: TableRunner = { run: runRow };

async function runRow(row: JsonObject): Promise<string | undefined> {
  const root = await mkdtemp(join(tmpdir(), "rootlift-docker-config-"));
  try {
    await writeFiles(root, objectOf(row, "files"));
    await writeHelpers(root, objectOf(row, "helpers"));
    return await lookUp(row, root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function lookUp(row: JsonObject, root: string): Promise<string | undefined> {
  const registry = textOf(row, "registry");
  const rowEnv = objectOf(row, "env");
  const env: Record<string, string> = {
    HOME: join(root, "home"),
    PATH: `${join(root, "bin")}:/usr/bin:/bin`,
  };
  for (const name of Object.keys(rowEnv)) {
    env[name] = textOf(rowEnv, name).replaceAll("$ROOT", root);
  }
  const helpers = Object.values(objectOf(row, "helpers"));
  const hangs = helpers.some((helper) => isObject(helper) && helper["hangs"] === true);
  const provider = createDockerCredentials({
    env,
    uid: NOBODY,
    loginRegistry: registry,
    ...(hangs ? { helperTimeoutMs: HANGING_TIMEOUT_MS } : {}),
  });
  const expectedError = expectedErrorOf(row);
  let found: FoundCredentials | undefined;
  try {
    const { signal } = new AbortController();
    found = await provider.credentialsFor(registry, textOf(row, "repository", "team/app"), signal);
  } catch (error) {
    if (expectedError === undefined) throw error;
    return compareError(error, expectedError) ?? leakOf(error, row);
  }
  if (expectedError !== undefined) {
    return `expected ${expectedError.code}, got ${found?.origin ?? "nothing"}`;
  }
  const expect = objectOf(row, "expect");
  return (await compareFound(found, expect, root)) ?? leakOf(found, row);
}

async function compareFound(
  found: FoundCredentials | undefined,
  expect: JsonObject,
  root: string,
): Promise<string | undefined> {
  if (found === undefined) return compareFields({ source: "none" }, { source: expect["source"] });
  const secret = secretOf(found.credentials);
  const actual = {
    origin: found.origin,
    username: found.username ?? null,
    secretKind: secret.kind,
    secret: secret.text,
    helperInput: await helperCalls(root),
  };
  const asked = expect["helperInput"];
  return compareFields(actual, {
    origin: originOf(expect, found.origin),
    username: expect["username"] ?? null,
    secretKind: expect["secretKind"],
    secret: expect["secret"],
    ...(asked === undefined ? {} : { helperInput: [`[get] [${asText(asked)}]`] }),
  });
}

/** The text that names the expected place; of a helper's, the file that configures it is as found. */
function originOf(expect: JsonObject, found: string): string {
  const source = textOf(expect, "source");
  if (source === "credHelpers" || source === "credsStore") {
    const start = `docker-credential-${textOf(expect, "helper")} (${source}`;
    return found.startsWith(start) ? found : `${start} …`;
  }
  if (source === "env" && typeof expect["key"] !== "string") {
    return "ROOTLIFT_USERNAME and ROOTLIFT_PASSWORD";
  }
  const key = `(auths "${textOf(expect, "key")}")`;
  if (source === "env") return `DOCKER_AUTH_CONFIG ${key}`;
  const file = textOf(expect, "file").replace(/^home\//, "~/");
  const shown = found.replace(" (REGISTRY_AUTH_FILE)", "");
  const right = file.startsWith("~/")
    ? shown === `${file} ${key}`
    : shown.endsWith(`/${file} ${key}`);
  return right ? found : `${file} ${key}`;
}

function secretOf(credentials: Credentials): { readonly kind: string; readonly text: string } {
  if (credentials.kind === "basic") return { kind: "password", text: credentials.password };
  const kind = credentials.kind === "identity-token" ? "identityToken" : "registryToken";
  return { kind, text: credentials.token };
}

/** "No message may contain a secret, a base64 auth or what a helper printed as its answer." */
function leakOf(shown: unknown, row: JsonObject): string | undefined {
  const fields = shown instanceof ImportError ? [shown.message, shown.hint, shown.details] : [];
  const text = [inspect(shown, { depth: 9 }), JSON.stringify(shown) ?? "", inspect(fields)].join(
    "\n",
  );
  const found = secretsOf(row).find((secret) => text.includes(secret));
  return found === undefined ? undefined : `shows the secret ${JSON.stringify(found)}`;
}

function secretsOf(row: JsonObject): readonly string[] {
  const texts = [JSON.stringify(row["files"] ?? {}), ...Object.values(objectOf(row, "env"))];
  const answers = Object.values(objectOf(row, "helpers")).flatMap((helper) =>
    isObject(helper) && helper["exitCode"] === 0 ? [asText(helper["stdout"])] : [],
  );
  const quoted = texts.flatMap((text) =>
    [...String(text).matchAll(/\\?"(?:auth|password|\w*token)\\?":\s*\\?"([^"\\]{4,})/g)].map(
      (m) => m[1] ?? "",
    ),
  );
  const packed = quoted.map((auth) =>
    Buffer.from(auth, "base64")
      .toString()
      .replace(/^[^:]*:/, ""),
  );
  const printed = answers.flatMap((text) =>
    [...text.matchAll(/"Secret":\s*"([^"]*)"/g)].map((match) => match[1] ?? ""),
  );
  const expected = isObject(row["expect"]) ? [asText(row["expect"]["secret"])] : [];
  return [...quoted, ...packed, ...answers, ...printed, ...expected].filter(
    (text) => text.length >= 4,
  );
}

async function writeFiles(root: string, files: JsonObject): Promise<void> {
  await mkdir(join(root, "home"), { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  }
}

/** Real programs that note how they were called; each call is a line of `calls`. */
async function writeHelpers(root: string, helpers: JsonObject): Promise<void> {
  const bin = join(root, "bin");
  await mkdir(bin);
  for (const [name, helper] of Object.entries(helpers)) {
    if (!isObject(helper)) throw new Error(`the helper ${name} is no object`);
    const path = join(bin, name);
    await writeFile(`${path}.out`, asText(helper["stdout"]));
    await writeFile(`${path}.err`, asText(helper["stderr"]));
    const lines = [
      "#!/bin/sh",
      `printf '[%s] [%s]\\n' "$*" "$(cat; printf x)" | sed 's/x]$/]/' >> '${root}/calls'`,
      `cat '${path}.out'`,
      `cat '${path}.err' >&2`,
      helper["hangs"] === true ? "sleep 600" : "",
      `exit ${Number(helper["exitCode"] ?? 0)}`,
    ];
    await writeFile(path, `${lines.join("\n")}\n`, { mode: 0o755 });
  }
}

async function helperCalls(root: string): Promise<readonly string[]> {
  const text = await readFile(join(root, "calls"), "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function objectOf(row: JsonObject, field: string): JsonObject {
  const value = row[field] ?? {};
  if (isObject(value)) return value;
  throw new Error(`the row's \`${field}\` is no object`);
}
