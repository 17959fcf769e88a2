import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createDockerCredentials } from "../../src/auth/docker-credentials.ts";
import { parseChallenges } from "../../src/auth/parse-challenges.ts";
import { parseTokenAnswer } from "../../src/auth/token-answer.ts";
import {
  buildTokenRequest,
  fallbackTokenRequest,
  type TokenRequestInput,
} from "../../src/auth/token-request.ts";
import { ImportError, serializeError } from "../../src/errors.ts";
import { chooseProxy } from "../../src/registry/choose-proxy.ts";
import { makeHelperHome, type HelperHome } from "../support/fake-helpers.ts";

/** Also the base64 of user and secret, as it stands in files and headers. */
const SECRET = "hunter2-secret";
const PACKED = Buffer.from(`u:${SECRET}`).toString("base64");
const LEAKS = [
  SECRET,
  PACKED,
  Buffer.from(`:${SECRET}`).toString("base64"),
  encodeURIComponent(PACKED),
];

/** Whatever a logger, a debugger or a careless template does with a value. */
function shown(value: unknown): string {
  const copy: unknown = typeof value === "object" && value !== null ? { ...value } : value;
  const error = value instanceof ImportError ? JSON.stringify(serializeError(value)) : "";
  const stack = value instanceof Error ? `${value.stack} ${inspect(value.cause)}` : "";
  return [
    inspect(value, { depth: 20 }),
    inspect(copy, { depth: 20 }),
    JSON.stringify(value),
    error,
    stack,
  ].join("\n");
}

function leaksOf(value: unknown): readonly string[] {
  if (value === undefined) return ["nothing to look at"];
  return LEAKS.filter((leak) => shown(value).includes(leak));
}

let home: HelperHome;
beforeEach(async () => {
  home = await makeHelperHome();
});
afterEach(async () => {
  await home.remove();
});

async function outcomeOf(env: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const provider = createDockerCredentials({
    env: { ...home.env, ...env },
    uid: 4_000_000_000,
    helperTimeoutMs: 5000,
  });
  const asked = provider.credentialsFor("r.example", "a/b", new AbortController().signal);
  const outcome = await asked.catch((error: unknown) => error);
  expect(leaksOf(provider)).toEqual([]);
  return outcome;
}

test.each([
  { auth: PACKED },
  { username: "u", password: SECRET },
  { identitytoken: SECRET },
  { registrytoken: SECRET },
  { auth: `${PACKED}!` },
  { auth: Buffer.from(SECRET).toString("base64") },
  { registrytoken: `${SECRET}\n` },
  SECRET,
])(
  "neither what is found in an entry nor what is wrong with it shows its secret (%#)",
  async (entry) => {
    await home.write("home/.docker/config.json", { auths: { "r.example": entry } });
    expect(leaksOf(await outcomeOf())).toEqual([]);
  },
);

test.each([
  `{"auths": {"r.example": {"auth": "${PACKED}`,
  SECRET,
  `["${SECRET}"]`,
  `{"auths": "${SECRET}"}`,
])("a config that cannot be parsed is not quoted (%#)", async (text) => {
  await home.write("home/.docker/config.json", text);
  expect(leaksOf(await outcomeOf())).toEqual([]);
  await home.write("home/.docker/config.json", "");
  expect(leaksOf(await outcomeOf({ DOCKER_AUTH_CONFIG: text }))).toEqual([]);
});

test.each([
  `echo '{"Username":"u","Secret":"${SECRET}"}'`,
  `echo '{"Username":"<token>","Secret":"${SECRET}"}'`,
  `echo ${SECRET}`,
  `echo '{"Username":"","Secret":"${SECRET}"}'`,
  `echo '{"Username":"u","Secret":"${SECRET}"'`,
  `echo '{"Username":"u","Secret":"${SECRET}"}'; exit 1`,
  `printf '{\\n"Secret": "${SECRET}"\\n}'; exit 1`,
  `echo ${SECRET} >&2; exit 1`,
])("what a helper printed is not shown (%#)", async (script) => {
  await home.addHelper("fake", script);
  await home.write("home/.docker/config.json", { credsStore: "fake" });
  expect(leaksOf(await outcomeOf())).toEqual([]);
});

test("a login in the environment is not shown", async () => {
  expect(leaksOf(await outcomeOf({ ROOTLIFT_USERNAME: "u", ROOTLIFT_PASSWORD: SECRET }))).toEqual(
    [],
  );
  expect(leaksOf(await outcomeOf({ ROOTLIFT_PASSWORD: SECRET }))).toEqual([]);
});

test.each([
  [{ kind: "basic", username: "u", password: SECRET }, 405],
  [{ kind: "identity-token", token: SECRET }, 404],
] as const)("token requests do not show their login (%#)", (credentials, status) => {
  const [challenge] = parseChallenges(['Bearer realm="https://auth.example/t"']);
  const input: TokenRequestInput = {
    registryUrl: "https://r.example",
    requestUrl: "https://r.example/v2/a/b/manifests/c",
    repository: "a/b",
    challengeFrom: "resource",
    challenge: challenge ?? { scheme: "", params: new Map() },
    credentials,
  };
  const request = buildTokenRequest(input);
  expect(leaksOf(request)).toEqual([]);
  expect(leaksOf(fallbackTokenRequest(input, request, status))).toEqual([]);
});

test("tokens do not show themselves", () => {
  const answer = Buffer.from(JSON.stringify({ token: SECRET, refresh_token: SECRET }));
  const token = parseTokenAnswer(answer, 0);
  expect([token.value, token.refreshToken]).toEqual([SECRET, SECRET]);
  expect(leaksOf(token)).toEqual([]);
});

test.each([
  `{"token": "${SECRET}"`,
  JSON.stringify([SECRET]),
  JSON.stringify({ token: `${SECRET}\n` }),
])("a token answer that is refused is not quoted (%#)", (answer) => {
  const refused: unknown = (() => {
    try {
      return parseTokenAnswer(Buffer.from(answer), 0);
    } catch (error) {
      return error;
    }
  })();
  expect(refused).toBeInstanceOf(ImportError);
  expect(leaksOf(refused)).toEqual([]);
});

test("a proxy does not show its login", () => {
  const env = { HTTPS_PROXY: `http://u:${SECRET}@proxy.example` };
  const proxy = chooseProxy("https://r.example", env);
  expect(proxy?.authorization).toBe(`Basic ${PACKED}`);
  expect(leaksOf(proxy)).toEqual([]);
});

test("this scan sees a secret that is there", () => {
  expect(leaksOf({ deep: { password: SECRET } })).toEqual([SECRET]);
  expect(leaksOf(new ImportError("ERR_TLS", "x", { cause: PACKED }))).toContain(PACKED);
});
