import {
  chooseHelper,
  findStoredLogin,
  parseDockerConfig,
} from "../../../src/auth/docker-config.ts";
import { parseTokenAnswer } from "../../../src/auth/token-answer.ts";
import { ImportError, printable } from "../../../src/errors.ts";
import { parseErrorBody } from "../../../src/registry/error-body.ts";
import { corpusCases } from "../json/corpus-cases.ts";
import { demand, type FuzzTarget, type OpenTarget } from "../fuzz-target.ts";
import { mutateJson, type JsonWords } from "../mutate-json.ts";
import { isObject, stringifyJson } from "../../support/case-kit/case-json.ts";

/** Stands in seeds as a password and a token; no message may show it. */
const SECRET = "hunter2hunter2";
const BASE64 = Buffer.from(`user:${SECRET}`).toString("base64");
const REGISTRIES = ["docker.io", "registry.example:5000", "ghcr.io", "REGISTRY-1.docker.io"];
const WORDS: JsonWords = {
  keys: [
    "auths",
    "credHelpers",
    "credsStore",
    "auth",
    "username",
    "password",
    "identitytoken",
    "registrytoken",
    "docker.io",
    "https://index.docker.io/v1/",
    "registry.example:5000",
    "registry.example:5000/team/app",
    "ghcr.io/team",
    "token",
    "access_token",
    "expires_in",
    "refresh_token",
    "errors",
    "code",
    "message",
    "detail",
  ],
  values: [
    JSON.stringify(BASE64),
    JSON.stringify(SECRET),
    JSON.stringify(`${SECRET}\r\nx: y`),
    '"../../bin/sh"',
    '"desktop"',
    '"dXNlcg=="',
    '"OnBhc3M="',
    "60",
    "1e300",
    '"MANIFEST_UNKNOWN"',
    '[{"code":"DENIED"}]',
  ],
};

export const dockerConfigTarget: FuzzTarget = {
  name: "docker-config",
  weight: 1,
  open: () => openLogins([...dockerConfigs(), ...corpusConfigs()], runDockerConfig),
};

export const tokenAnswerTarget: FuzzTarget = {
  name: "token-answer",
  weight: 1,
  open: () =>
    openLogins(
      [
        { token: SECRET, expires_in: 300, issued_at: "2026-01-01T00:00:00Z" },
        { access_token: SECRET, refresh_token: SECRET, expires_in: "300" },
        {
          errors: [
            { code: "DENIED", message: "no", detail: { errors: [{ code: "TOOMANYREQUESTS" }] } },
          ],
        },
        { errors: { code: "UNKNOWN" }, message: "x" },
      ].map((document) => Buffer.from(JSON.stringify(document))),
      runTokenAnswer,
    ),
};

const mutateLogin: OpenTarget["mutate"] = (input, random, donor) =>
  mutateJson(input, random, { ...WORDS, donor });

function openLogins(seeds: readonly Uint8Array[], run: OpenTarget["run"]): OpenTarget {
  return { seeds, mutate: mutateLogin, run: (input) => withoutSecret(() => run(input)) };
}

function dockerConfigs(): readonly Uint8Array[] {
  const auths = {
    "https://index.docker.io/v1/": { auth: BASE64 },
    "registry.example:5000": { username: "user", password: SECRET },
    "ghcr.io/team": { auth: BASE64, identitytoken: SECRET },
    "ghcr.io": { registrytoken: SECRET },
  };
  const documents = [
    { auths },
    { auths: {}, credsStore: "desktop" },
    { auths, credHelpers: { "ghcr.io": "gcr", "docker.io": "" }, credsStore: "secretservice" },
    {},
  ];
  return documents.map((document) => Buffer.from(JSON.stringify(document)));
}

function corpusConfigs(): readonly Uint8Array[] {
  return corpusCases("docker-config").flatMap((fields) =>
    isObject(fields["files"])
      ? Object.values(fields["files"]).map((file) =>
          Buffer.from(typeof file === "string" ? file : stringifyJson(file)),
        )
      : [],
  );
}

function runDockerConfig(input: Uint8Array): void {
  const config = parseDockerConfig(
    Buffer.from(input).toString("utf8"),
    "config.json",
    input.length % 2 === 0,
  );
  let refusal: ImportError | undefined;
  for (const registry of REGISTRIES) {
    for (const ask of [
      () =>
        demand(
          !/[/\\\0]/.test(chooseHelper(config, registry)?.name ?? ""),
          "a helper has a plain name",
        ),
      () => void findStoredLogin(config, registry, "team/app"),
    ]) {
      try {
        withoutSecret(ask);
      } catch (error) {
        if (!(error instanceof ImportError)) throw error;
        refusal ??= error;
      }
    }
  }
  if (refusal !== undefined) throw refusal;
}

function runTokenAnswer(input: Uint8Array): void {
  const said = parseErrorBody(input);
  demand(said.message.length <= 301, "what a registry says is one line");
  demand(printable(said.message, Infinity) === said.message, "what a registry says is printable");
  const token = parseTokenAnswer(input, 1_700_000_000_000);
  demand(/^[\x20-\x7e]+$/.test(token.value), "a token fits into a header");
  demand(token.expiresAtMs > token.renewAtMs, "a token is renewed before its end");
  demand(
    // A short one may stand in the times by chance.
    !JSON.stringify(token).includes(token.value) || token.value.length < 16,
    "a token does not show",
  );
}

/** Only what the fuzzer itself put in can be looked for. */
function withoutSecret(work: () => void | Promise<void>): void {
  try {
    void work();
  } catch (error) {
    const told = error instanceof Error ? error.message + moreOf(error) : "";
    demand(!told.includes(SECRET) && !told.includes(BASE64), "no message shows a secret");
    throw error;
  }
}

function moreOf(error: Error): string {
  return error instanceof ImportError ? JSON.stringify([error.hint, error.details]) : "";
}
