import { expect, test } from "vitest";
import {
  buildTokenRequest,
  fallbackTokenRequest,
  tokenScopes,
  type TokenRequest,
  type TokenRequestInput,
} from "../../src/auth/token-request.ts";

const BASIC = { kind: "basic", username: "org+robot", password: "fake-pä:ss" } as const;
const IDENTITY = { kind: "identity-token", token: "fake+identity/token=" } as const;

function inputOf(
  params: Readonly<Record<string, string>>,
  more: Partial<TokenRequestInput> = {},
): TokenRequestInput {
  return {
    registryUrl: "https://registry.example.com",
    requestUrl: "https://registry.example.com/v2/team/app/manifests/latest",
    repository: "team/app",
    challengeFrom: "resource",
    challenge: {
      scheme: "bearer",
      params: new Map(Object.entries({ realm: "https://auth.example.com/token", ...params })),
    },
    ...more,
  };
}

function realm(url: string, registryUrl = "https://registry.example.com"): () => TokenRequest {
  const requestUrl = `${registryUrl}/v2/team/app/manifests/latest`;
  return () => buildTokenRequest(inputOf({ realm: url }, { registryUrl, requestUrl }));
}

function formOf({ body = "" }: TokenRequest): unknown {
  return [...new URLSearchParams(body)];
}

test("an anonymous token is asked for without a login", () => {
  const request = buildTokenRequest(inputOf({ service: "s" }));
  expect(request).toMatchObject({ method: "GET", grant: "anonymous" });
  expect(request.headers).toEqual({ accept: "application/json" });
  expect([...new URL(request.url).searchParams]).toEqual([
    ["service", "s"],
    ["scope", "repository:team/app:pull"],
    ["client_id", "rootlift"],
  ]);
});

test("a user and a password go into a GET as Basic, in UTF-8 and with every sign they have", () => {
  const request = buildTokenRequest(inputOf({}, { credentials: BASIC }));
  expect(request).toMatchObject({ method: "GET", grant: "basic" });
  const packed = request.headers["authorization"]?.replace("Basic ", "") ?? "";
  expect(Buffer.from(packed, "base64").toString("utf8")).toBe("org+robot:fake-pä:ss");
  expect(request.url).not.toContain("robot");
});

test("an identity token goes into the body of a POST, its scopes as one parameter", () => {
  const scope = "repository:other/app:pull";
  const request = buildTokenRequest(inputOf({ service: "s", scope }, { credentials: IDENTITY }));
  expect(request).toMatchObject({ method: "POST", grant: "refresh-token" });
  expect(request.url).toBe("https://auth.example.com/token");
  expect(request.headers["content-type"]).toBe("application/x-www-form-urlencoded");
  expect(formOf(request)).toEqual([
    ["grant_type", "refresh_token"],
    ["refresh_token", "fake+identity/token="],
    ["service", "s"],
    ["scope", "repository:other/app:pull repository:team/app:pull"],
    ["client_id", "rootlift"],
  ]);
});

test.each([400, 401, 404, 405])(
  "a server that answers %i to the POST gets the identity token as a password, once",
  (status) => {
    const input = inputOf({}, { credentials: IDENTITY });
    const first = buildTokenRequest(input);
    const second = fallbackTokenRequest(input, first, status);
    expect(second).toMatchObject({ method: "GET", grant: "refresh-token-as-password" });
    const packed = second?.headers["authorization"]?.replace("Basic ", "") ?? "";
    expect(Buffer.from(packed, "base64").toString()).toBe(":fake+identity/token=");
    expect(second && fallbackTokenRequest(input, second, status)).toBeUndefined();
  },
);

test.each([200, 403, 429, 500])("status %i to the POST is the answer", (status) => {
  const input = inputOf({}, { credentials: IDENTITY });
  expect(fallbackTokenRequest(input, buildTokenRequest(input), status)).toBeUndefined();
});

test("a user and a password go into a POST only after 405, once", () => {
  const input = inputOf({ service: "s" }, { credentials: BASIC });
  const first = buildTokenRequest(input);
  for (const status of [400, 401, 403, 404]) {
    expect(fallbackTokenRequest(input, first, status)).toBeUndefined();
  }
  const second = fallbackTokenRequest(input, first, 405);
  expect(second).toMatchObject({ method: "POST", grant: "password" });
  expect(second && formOf(second)).toEqual([
    ["grant_type", "password"],
    ["username", "org+robot"],
    ["password", "fake-pä:ss"],
    ["service", "s"],
    ["scope", "repository:team/app:pull"],
    ["client_id", "rootlift"],
  ]);
  expect(second && fallbackTokenRequest(input, second, 405)).toBeUndefined();
});

test("nothing follows a refused anonymous request", () => {
  const input = inputOf({});
  expect(fallbackTokenRequest(input, buildTokenRequest(input), 405)).toBeUndefined();
});

test.each([
  [undefined, ["repository:team/app:pull"]],
  ["", ["repository:team/app:pull"]],
  ["repository:team/app:push,pull", ["repository:team/app:push,pull"]],
  ["repository:team/app:push", ["repository:team/app:push", "repository:team/app:pull"]],
  ["repository:team/app:pullx", ["repository:team/app:pullx", "repository:team/app:pull"]],
  ["repository:team/ap:pull", ["repository:team/ap:pull", "repository:team/app:pull"]],
  ["*", ["*", "repository:team/app:pull"]],
  ["aws  aws", ["aws", "repository:team/app:pull"]],
  [
    "repository:host:5000/team/app:pull",
    ["repository:host:5000/team/app:pull", "repository:team/app:pull"],
  ],
])("the scope %j of a challenge becomes %j", (scope, expected) => {
  expect(tokenScopes(inputOf(scope === undefined ? {} : { scope }))).toEqual(expected);
});

test("the realm's own query goes out as it came", () => {
  const { url } = realm("https://auth.example.com/token?a=%2F+%7e&scope=x")();
  expect(url).toContain("?a=%2F+%7e&scope=x&scope=repository");
});

test("a client_id in the realm stays alone", () => {
  const { url } = realm("https://auth.example.com/token?client_id=theirs")();
  expect(new URL(url).searchParams.getAll("client_id")).toEqual(["theirs"]);
});

test.each([
  "http://auth.example.com/token",
  "ftp://auth.example.com/token",
  "file:///etc/passwd",
  "javascript:alert(1)",
  "https://user:hunter2@auth.example.com/",
  "https://:hunter2@auth.example.com/",
  "http://[::1",
  "https://",
  "",
  "https://169.254.169.254/latest",
  "https://[::ffff:169.254.169.254]/latest",
  "https://[64:ff9b::a9fe:a9fe]/latest",
  "https://2852039166/latest",
  "https://0xa9.0xfe.0xa9.0xfe/latest",
  "https://[fe80::1]/",
  "https://0.0.0.0/",
  "https://[::]/",
  "https://224.0.0.1/",
  "https://[ff02::1]/",
  "https://127.0.0.1/token",
  "https://127.1/token",
  "https://[::1]/token",
  "https://localhost/token",
  "https://auth.localhost./token",
  "//127.0.0.1/token",
])(
  "the realm %j of a registry elsewhere is refused, and not quoted where it may hold a secret",
  (url) => {
    expect(realm(url)).toThrow(expect.objectContaining({ code: "ERR_REGISTRY_PROTOCOL" }));
    expect(realm(url)).toThrow(/realm/);
    expect(realm(url)).not.toThrow(/hunter2/);
  },
);

test.each([
  ["http://localhost:5001/auth", "http://localhost:5000"],
  ["http://127.0.0.1:5001/auth", "http://localhost:5000"],
  ["http://auth.example.com/token", "http://10.0.0.5:5000"],
  ["https://10.0.0.6/token", "https://registry.example.com"],
  ["https://[fd00::6]/token", "https://registry.example.com"],
  ["token", "https://registry.example.com"],
])("the realm %j of %s is followed", (url, registryUrl) => {
  expect(realm(url, registryUrl)().method).toBe("GET");
});
