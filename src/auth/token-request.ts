import { ImportError, printable } from "../errors.ts";
import { conceal } from "./conceal.ts";
import type { Credentials } from "./credential-provider.ts";
import { hostClass } from "./host-class.ts";
import type { Challenge } from "./parse-challenges.ts";

/** What can be shown to a token server; a registry token needs none. */
export type TokenCredentials = Exclude<Credentials, { readonly kind: "registry-token" }>;

export interface TokenRequestInput {
  /** Origin of the registry that sent the challenge, as it was reached: `https://ghcr.io`. */
  readonly registryUrl: string;
  /** A Bearer challenge. */
  readonly challenge: Challenge;
  /** What was asked for: the scope in the answer to `GET /v2/` is a placeholder and not used (TOK-4). */
  readonly challengeFrom: "ping" | "resource";
  /** The request that was challenged; a relative realm is relative to it (TOK-5). */
  readonly requestUrl: string;
  /** Without the host: `library/alpine`. */
  readonly repository: string;
  /** Those of the registry, even when the realm is on another host (TOK-6). Without: an anonymous token. */
  readonly credentials?: TokenCredentials | undefined;
}

/** What a request shows and how: decides what may follow when it is refused. */
export type TokenGrant =
  | "anonymous"
  | "basic"
  | "password"
  | "refresh-token"
  | "refresh-token-as-password";

/** Ready to send. `headers` and `body` hold secrets and are not enumerable: name them, do not spread the request. */
export interface TokenRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly grant: TokenGrant;
}

const CLIENT_ID = "rootlift";
/** What token servers without the OAuth2 form answer to it: GCR 404, Artifactory 401, ACR 400, others 405. */
const NO_OAUTH_STATUSES: ReadonlySet<number> = new Set([400, 401, 404, 405]);

/**
 * The first request for a token: GET (distribution `spec/auth/token`, TOK-1), or POST when there is an identity token
 * (`spec/auth/oauth`, TOK-2).
 *
 * @throws ImportError ERR_REGISTRY_PROTOCOL when the realm is not one that credentials may go to (TOK-5)
 */
export function buildTokenRequest(input: TokenRequestInput): TokenRequest {
  const { credentials } = input;
  if (credentials === undefined) return getRequest(input, "anonymous", undefined);
  if (credentials.kind === "basic") {
    return getRequest(input, "basic", basicAuthorization(credentials));
  }
  return postRequest(input, "refresh-token", { refresh_token: credentials.token });
}

/**
 * What to send after a refusal that means "I do not know this form" (TOK-2). Trying without the credentials (TOK-11) is
 * `buildTokenRequest` without `credentials`.
 *
 * @returns `undefined`: the refusal is the answer
 */
export function fallbackTokenRequest(
  input: TokenRequestInput,
  refused: TokenRequest,
  status: number,
): TokenRequest | undefined {
  const { credentials } = input;
  if (refused.grant === "refresh-token" && credentials?.kind === "identity-token") {
    if (!NO_OAUTH_STATUSES.has(status)) return undefined;
    const authorization = basicAuthorization({ username: "", password: credentials.token });
    return getRequest(input, "refresh-token-as-password", authorization);
  }
  if (refused.grant === "basic" && credentials?.kind === "basic" && status === 405) {
    const { username, password } = credentials;
    return postRequest(input, "password", { username, password });
  }
  return undefined;
}

/** The value of an `Authorization` header (RFC 7617, UTF-8). A secret. */
export function basicAuthorization(login: {
  readonly username: string;
  readonly password: string;
}): string {
  return `Basic ${Buffer.from(`${login.username}:${login.password}`, "utf8").toString("base64")}`;
}

/**
 * The scopes to ask for, in order: those of a resource's challenge first, since proxies rewrite names and some servers
 * read one scope only; then ours, unless the challenge names it already (TOK-4). Also the key under which a token is kept.
 */
export function tokenScopes(
  input: Pick<TokenRequestInput, "challenge" | "challengeFrom" | "repository">,
): readonly string[] {
  const text = input.challengeFrom === "ping" ? "" : (input.challenge.params.get("scope") ?? "");
  const asked = text.split(/\s+/).filter((scope) => scope !== "");
  const named = asked.some((scope) => grantsPull(scope, input.repository));
  return [...new Set(named ? asked : [...asked, `repository:${input.repository}:pull`])];
}

/** `repository:a/b:pull,push`; a name may hold colons (`host:5000/a`), so the actions follow the last one. */
function grantsPull(scope: string, repository: string): boolean {
  const end = scope.lastIndexOf(":");
  if (scope.slice(0, end) !== `repository:${repository}`) return false;
  return scope
    .slice(end + 1)
    .split(",")
    .includes("pull");
}

function getRequest(
  input: TokenRequestInput,
  grant: TokenGrant,
  authorization: string | undefined,
): TokenRequest {
  const url = tokenServerUrl(input);
  const query = new URLSearchParams();
  const service = input.challenge.params.get("service") ?? "";
  if (service !== "") query.append("service", service);
  for (const scope of tokenScopes(input)) query.append("scope", scope);
  if (!url.searchParams.has("client_id")) query.append("client_id", CLIENT_ID);
  // The realm's own query goes out as it came: parsing and writing it again would change its escapes.
  const own = url.search.replace(/^\?/, "");
  url.search = own === "" ? query.toString() : `${own}&${query.toString()}`;
  const accept = { accept: "application/json" };
  const headers = authorization === undefined ? accept : { ...accept, authorization };
  return conceal<TokenRequest>({ method: "GET", url: url.href, headers, grant }, "headers");
}

function postRequest(
  input: TokenRequestInput,
  grant: "password" | "refresh-token",
  secrets: Readonly<Record<string, string>>,
): TokenRequest {
  const url = tokenServerUrl(input);
  const form = new URLSearchParams({
    grant_type: grant === "password" ? "password" : "refresh_token",
    ...secrets,
  });
  const service = input.challenge.params.get("service") ?? "";
  if (service !== "") form.append("service", service);
  form.append("scope", tokenScopes(input).join(" "));
  form.append("client_id", CLIENT_ID);
  const headers = {
    accept: "application/json",
    "content-type": "application/x-www-form-urlencoded",
  };
  return conceal<TokenRequest>(
    { method: "POST", url: url.href, headers, body: form.toString(), grant },
    "headers",
    "body",
  );
}

/**
 * Where the realm sends us, if we go there (TOK-5). The registry chooses this address and we bring credentials, so it
 * must not lead to a plain connection, nor to what only this machine can reach.
 */
function tokenServerUrl({ registryUrl, requestUrl, challenge }: TokenRequestInput): URL {
  const registry = new URL(registryUrl);
  const realm = challenge.params.get("realm") ?? "";
  const url = realm === "" ? null : URL.parse(realm, requestUrl);
  const refuse = (why: string): never => {
    throw new ImportError(
      "ERR_REGISTRY_PROTOCOL",
      `${registry.host} names a token server that cannot be used: its realm ${why}`,
      {
        hint: "Ask the registry's operator to correct the address of its token server.",
        details: { registry: registry.host },
      },
    );
  };
  // No message quotes the realm: with user info in it, it holds a password.
  if (url === null) return refuse("is not a URL");
  if (url.username !== "" || url.password !== "") return refuse("holds a user or a password");
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    return refuse(`has the scheme ${printable(url.protocol, 40)}`);
  }
  if (url.protocol === "http:" && registry.protocol === "https:") {
    return refuse(`is plain http (${printable(url.host)}), the registry is https`);
  }
  const where = hostClass(url.hostname);
  if (where === "loopback" && hostClass(registry.hostname) !== "loopback") {
    return refuse(`is on this machine (${printable(url.host)}), the registry is not`);
  }
  if (where !== "loopback" && where !== "other") {
    return refuse(`is a ${where} address (${printable(url.host)})`);
  }
  url.hash = "";
  return url;
}
