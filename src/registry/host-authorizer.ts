import { conceal } from "../auth/conceal.ts";
import type { FoundCredentials } from "../auth/credential-provider.ts";
import type { Challenge } from "../auth/parse-challenges.ts";
import { chooseChallenge, parseChallenges } from "../auth/parse-challenges.ts";
import { basicAuthorization, tokenScopes } from "../auth/token-request.ts";
import { ImportError } from "../errors.ts";
import type { Sent } from "./classify-response.ts";
import type { Sender } from "./follow-redirects.ts";
import type { HttpTarget } from "./http-target.ts";
import { TokenCache } from "./token-cache.ts";
import type { IssuedToken, TokenOrder } from "./token-exchange.ts";
import { obtainToken, secretsOf } from "./token-exchange.ts";

/** What a request carries. `header` is a secret and not enumerable. */
export interface Authorization {
  readonly header: string;
  readonly sent: Sent;
  readonly scopes: readonly string[];
  readonly generation: number;
}

export interface AuthorizerOptions {
  readonly sender: Sender;
  /** Asked once, when the host has challenged us (CRED-9). @throws ImportError */
  readonly findCredentials: (signal: AbortSignal) => Promise<FoundCredentials | undefined>;
  readonly reference: string;
  /** Without host: `library/alpine`. */
  readonly repository: string;
  /** The host is not the registry but where it redirects to: its own scope alone is asked for (CH-6). */
  readonly foreign: boolean;
  readonly onRefusedLogin: (origin: string) => void;
  /** The client's life: a token request outlives the one that asked first. */
  readonly signal: AbortSignal;
}

export interface ChallengeFacts {
  readonly lines: readonly string[];
  /** The request that was challenged. */
  readonly target: HttpTarget;
  /** What it carried. */
  readonly authorization: Authorization | undefined;
  /** It was repeated with a fresh token before. */
  readonly refreshed: boolean;
  readonly signal: AbortSignal;
}

/** `repeat`: the request again, with what is known now; `refreshed`: the same, and that was the one refresh it has. */
export type ChallengeOutcome = "refused" | "repeat" | "refreshed";

type Mode =
  | { readonly kind: "basic"; readonly authorization: Authorization }
  | { readonly kind: "registry-token"; readonly authorization: Authorization }
  | { readonly kind: "bearer"; readonly challenge: Challenge; readonly target: HttpTarget };

/** How one host wants to be shown who we are: remembers its challenge (CH-7), its tokens, and our credentials for it. */
export class HostAuthorizer {
  readonly #options: AuthorizerOptions;
  readonly #tokens = new TokenCache();
  #mode: Mode | undefined;
  #found: Promise<FoundCredentials | undefined> | undefined;
  #credentials: FoundCredentials | undefined;
  #helperError: ImportError | undefined;
  #refreshToken: string | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** The login that answers this host, for messages. No secret. */
  get loginOrigin(): string | undefined {
    return this.#credentials?.origin;
  }

  /** What no message may hold. */
  get secrets(): readonly string[] {
    return secretsOf(this.#credentials);
  }

  /** A helper failed; raised when the registry insists on a login (CRED-9). */
  get helperError(): ImportError | undefined {
    return this.#helperError;
  }

  /** What the next request carries; `undefined` until the host has challenged us. */
  async authorization(signal: AbortSignal): Promise<Authorization | undefined> {
    const mode = this.#mode;
    if (mode === undefined) return undefined;
    return mode.kind === "bearer" ? this.#bearer(mode, signal) : mode.authorization;
  }

  /**
   * Takes in a 401.
   * @throws ImportError ERR_AUTH_REQUIRED, ERR_REGISTRY_PROTOCOL (no usable challenge), and as `obtainToken`
   */
  async answerChallenge(facts: ChallengeFacts): Promise<ChallengeOutcome> {
    const { authorization, target } = facts;
    const found = await this.#findCredentials();
    const basic = found?.credentials.kind === "basic" ? found.credentials : undefined;
    // A refused password is not a new challenge: the verdict on the answer says what it means.
    if (authorization?.sent === "basic") return "refused";
    const challenges = parseChallenges(facts.lines);
    if (authorization !== undefined && !challenges.some(isBearer)) return "refused";
    const challenge = this.#choose(challenges, basic !== undefined, target.host);
    if (challenge.scheme === "basic") {
      if (basic === undefined) return "refused";
      this.#mode = { kind: "basic", authorization: basicOf(basicAuthorization(basic)) };
      return "repeat";
    }
    if (found?.credentials.kind === "registry-token") {
      if (authorization !== undefined) return "refused";
      const header = `Bearer ${found.credentials.token}`;
      this.#mode = { kind: "registry-token", authorization: tokenOf(header, false, [], 0) };
      return "repeat";
    }
    return this.#takeBearer(challenge, facts);
  }

  async #takeBearer(challenge: Challenge, facts: ChallengeFacts): Promise<ChallengeOutcome> {
    const { authorization, target } = facts;
    const mode: Mode = { kind: "bearer", challenge, target };
    if (authorization === undefined) {
      this.#mode = mode;
      return "repeat";
    }
    if (keyOf(this.#scopes(challenge)) === keyOf(authorization.scopes)) {
      const current = await this.#bearer(mode, facts.signal);
      // The refused token was an old one: whoever met the refusal first has a new one already (TOK-9).
      if (current.generation !== authorization.generation) return "repeat";
      if (challenge.params.get("error") === "insufficient_scope") return "refused";
    }
    if (facts.refreshed) return "refused";
    this.#tokens.drop(keyOf(authorization.scopes), authorization.generation);
    this.#mode = mode;
    return "refreshed";
  }

  async #bearer(
    { challenge, target }: Extract<Mode, { readonly kind: "bearer" }>,
    signal: AbortSignal,
  ): Promise<Authorization> {
    const scopes = this.#scopes(challenge);
    const held = await this.#tokens.get(keyOf(scopes), signal, async () => {
      const issued = await this.#obtain(challenge, target);
      if (issued.refusedLogin !== undefined) this.#options.onRefusedLogin(issued.refusedLogin);
      if (issued.token.refreshToken !== undefined) this.#refreshToken = issued.token.refreshToken;
      return issued;
    });
    return tokenOf(`Bearer ${held.token.value}`, held.anonymous, scopes, held.generation);
  }

  async #obtain(challenge: Challenge, target: HttpTarget): Promise<IssuedToken> {
    const order = {
      input: {
        registryUrl: target.origin,
        challenge,
        challengeFrom: "resource",
        requestUrl: `${target.origin}${target.path}`,
        repository: this.#repository(challenge),
      },
      found: await this.#findCredentials(),
      reference: this.#options.reference,
      signal: this.#options.signal,
    } as const;
    const refreshed = await this.#obtainByRefresh(order);
    if (refreshed !== undefined) return refreshed;
    try {
      return await obtainToken(this.#options.sender, order);
    } catch (error) {
      throw this.#insisted(error);
    }
  }

  /** With the refresh token of an earlier answer (TOK-12); when that is no longer good, the login is shown again. */
  async #obtainByRefresh(order: TokenOrder): Promise<IssuedToken | undefined> {
    const token = this.#refreshToken;
    if (token === undefined || order.found === undefined) return undefined;
    this.#refreshToken = undefined;
    const found = {
      credentials: { kind: "identity-token", token },
      origin: order.found.origin,
    } as const;
    try {
      const issued = await obtainToken(this.#options.sender, { ...order, found });
      return issued.anonymous ? undefined : issued;
    } catch (error) {
      if (error instanceof ImportError && error.code.startsWith("ERR_AUTH_")) return undefined;
      throw error;
    }
  }

  /** The registry insists on a login, and ours could not be had: that is the error worth showing (CRED-9). */
  #insisted(error: unknown): unknown {
    const refused = error instanceof ImportError && error.code === "ERR_AUTH_REQUIRED";
    return refused && this.#helperError !== undefined ? this.#helperError : error;
  }

  #choose(challenges: readonly Challenge[], hasBasic: boolean, host: string): Challenge {
    try {
      return chooseChallenge(challenges, hasBasic, host);
    } catch (error) {
      throw this.#insisted(error);
    }
  }

  #scopes(challenge: Challenge): readonly string[] {
    return tokenScopes({
      challenge,
      challengeFrom: "resource",
      repository: this.#repository(challenge),
    });
  }

  /** For a redirect's target the name in its own scope: ours means nothing there. */
  #repository(challenge: Challenge): string {
    if (!this.#options.foreign) return this.#options.repository;
    const named = /(?:^|\s)repository:(\S+):[^:\s]*$/.exec(challenge.params.get("scope") ?? "");
    return named?.[1] ?? this.#options.repository;
  }

  async #findCredentials(): Promise<FoundCredentials | undefined> {
    this.#found ??= this.#options.findCredentials(this.#options.signal).catch((error: unknown) => {
      const helper = error instanceof ImportError && error.code === "ERR_CREDENTIAL_HELPER";
      if (!helper) {
        this.#found = undefined;
        throw error;
      }
      this.#helperError = error;
      return undefined;
    });
    this.#credentials = await this.#found;
    return this.#credentials;
  }
}

function isBearer({ scheme }: Challenge): boolean {
  return scheme === "bearer";
}

function keyOf(scopes: readonly string[]): string {
  return scopes.join(" ");
}

function basicOf(header: string): Authorization {
  return conceal<Authorization>({ header, sent: "basic", scopes: [], generation: 0 }, "header");
}

function tokenOf(
  header: string,
  anonymous: boolean,
  scopes: readonly string[],
  generation: number,
): Authorization {
  const sent = anonymous ? "anonymousToken" : "token";
  return conceal<Authorization>({ header, sent, scopes, generation }, "header");
}
