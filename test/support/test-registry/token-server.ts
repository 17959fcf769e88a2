import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";

export interface BearerOptions {
  readonly mode: "bearer";
  /** User → password. */
  readonly users?: Readonly<Record<string, string>>;
  /** Refresh token → user: answered to `grant_type=refresh_token`, and to GET with the token as the password. */
  readonly identityTokens?: Readonly<Record<string, string>>;
  /** Tokens that the registry accepts without any token request (`registrytoken`). */
  readonly registryTokens?: readonly string[];
  /** Whether a token request without credentials gets a token for `pull`. Default: only when there are no users. */
  readonly anonymousPull?: boolean;
  /** How long a token is really accepted; default 300. */
  readonly tokenSeconds?: number;
  /** How many requests a token is good for; default: all until it expires. */
  readonly tokenUses?: number;
  /** What `expires_in` says; default `tokenSeconds`. `null`: nothing. */
  readonly expiresIn?: number | null;
  /** Status of every POST, for servers that know only GET. */
  readonly postStatus?: number;
  /** Which member holds the token; default both. */
  readonly member?: "token" | "access_token";
  /** How long a token request takes; default 0. */
  readonly delayMs?: number;
  /** What a token says, for registries that read it themselves. Default: nothing. */
  readonly mint?: (grant: TokenGrant) => string;
}

/** What a token is good for, and for how long. */
export interface TokenGrant {
  readonly user: string | undefined;
  /** `repository:team/app:pull` */
  readonly scopes: readonly string[];
  readonly seconds: number;
}

export interface TokenRequestRecord {
  readonly method: string;
  readonly scopes: readonly string[];
  readonly user: string | undefined;
  readonly granted: boolean;
}

interface Grant {
  readonly scopes: readonly string[];
  readonly expiresAt: number;
  usesLeft: number;
}

export interface TokenAnswer {
  readonly status: number;
  readonly mediaType: string;
  readonly body: string;
}

/** Issues opaque tokens and knows what each is good for. */
export class TokenServer {
  readonly requests: TokenRequestRecord[] = [];
  readonly #options: BearerOptions;
  readonly #grants = new Map<string, Grant>();
  #relaxed = false;

  constructor(options: BearerOptions) {
    this.#options = options;
  }

  /** Every token given out so far is refused from now on. */
  revokeAll(): void {
    this.#grants.clear();
  }

  /** Tokens given out from now on are good for ever. */
  relax(): void {
    this.#relaxed = true;
  }

  accepts(token: string, repository: string, action: "pull" | "push"): boolean {
    if (this.#options.registryTokens?.includes(token) === true) return true;
    const grant = this.#grants.get(token);
    if (grant === undefined || grant.expiresAt <= Date.now() || grant.usesLeft <= 0) return false;
    grant.usesLeft -= 1;
    return repository === "" || grant.scopes.some((scope) => covers(scope, repository, action));
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, mediaType, body } = await this.answerTo(request);
    response.writeHead(status, { "content-type": mediaType }).end(body);
  }

  /** The same for whoever sends it otherwise. */
  async answerTo(request: IncomingMessage): Promise<TokenAnswer> {
    const post = request.method === "POST";
    const url = new URL(request.url ?? "/", "http://token.invalid");
    const fields = post ? new URLSearchParams(await text(request)) : url.searchParams;
    if (this.#options.delayMs !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, this.#options.delayMs));
    }
    if (post && this.#options.postStatus !== undefined) {
      this.#record(request, fields, undefined, false);
      return {
        status: this.#options.postStatus,
        mediaType: "text/plain",
        body: "no such method",
      };
    }
    const user = post ? this.#userOfForm(fields) : this.#userOfHeader(request);
    const anonymous = this.#options.anonymousPull ?? this.#options.users === undefined;
    const granted = user !== null && (user !== undefined || anonymous);
    this.#record(request, fields, user ?? undefined, granted);
    if (!granted) {
      return json(401, { details: "incorrect username or password" });
    }
    return json(200, this.#issue(scopesOf(fields), user ?? undefined));
  }

  #issue(asked: readonly string[], user: string | undefined): Record<string, string | number> {
    const seconds = this.#options.tokenSeconds ?? 300;
    const pullOnly = asked.map((scope) => scope.replace(/:[^:]*$/, ":pull"));
    const scopes = user === undefined ? pullOnly : asked;
    const token =
      this.#options.mint?.({ user, scopes, seconds }) ??
      `fake-token-${randomBytes(24).toString("hex")}`;
    this.#grants.set(token, {
      scopes,
      expiresAt: this.#relaxed ? Infinity : Date.now() + seconds * 1000,
      usesLeft: this.#relaxed ? Infinity : (this.#options.tokenUses ?? Infinity),
    });
    const expiresIn = this.#options.expiresIn === undefined ? seconds : this.#options.expiresIn;
    return {
      ...(this.#options.member === "access_token" ? {} : { token }),
      ...(this.#options.member === "token" ? {} : { access_token: token }),
      ...(expiresIn === null ? {} : { expires_in: expiresIn }),
      // A clock far off: whoever trusts it finds every token expired (TOK-7).
      issued_at: "2001-01-01T00:00:00Z",
    };
  }

  /** `undefined`: nobody; `null`: refused. */
  #userOfForm(fields: URLSearchParams): string | undefined | null {
    if (fields.get("grant_type") === "refresh_token") {
      return this.#options.identityTokens?.[fields.get("refresh_token") ?? ""] ?? null;
    }
    const user = fields.get("username") ?? "";
    return this.#options.users?.[user] === fields.get("password") ? user : null;
  }

  #userOfHeader(request: IncomingMessage): string | undefined | null {
    const basic = basicUser(request);
    if (basic === undefined) return undefined;
    const [user, password] = basic;
    if (this.#options.users?.[user] === password) return user;
    return this.#options.identityTokens?.[password] ?? null;
  }

  #record(
    request: IncomingMessage,
    fields: URLSearchParams,
    user: string | undefined,
    granted: boolean,
  ): void {
    this.requests.push({ method: request.method ?? "", scopes: scopesOf(fields), user, granted });
  }
}

function json(status: number, value: object): TokenAnswer {
  return { status, mediaType: "application/json", body: JSON.stringify(value) };
}

/** User and password of an `Authorization: Basic` header. */
export function basicUser(request: IncomingMessage): readonly [string, string] | undefined {
  const match = /^Basic (.*)$/i.exec(request.headers.authorization ?? "");
  if (match === null) return undefined;
  const decoded = Buffer.from(match[1] ?? "", "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  return colon < 0 ? [decoded, ""] : [decoded.slice(0, colon), decoded.slice(colon + 1)];
}

function scopesOf(fields: URLSearchParams): readonly string[] {
  return fields.getAll("scope").flatMap((scope) => scope.split(" "));
}

function covers(scope: string, repository: string, action: string): boolean {
  const actions = scope.slice(scope.lastIndexOf(":") + 1).split(",");
  return scope.startsWith(`repository:${repository}:`) && actions.includes(action);
}
