import type { FoundCredentials } from "../auth/credential-provider.ts";
import { ImportError } from "../errors.ts";
import type { AskedFor } from "./answer-verdict.ts";
import { answerFailure, challengeLines, readErrorBody } from "./answer-verdict.ts";
import type { AnswerFacts } from "./classify-response.ts";
import type { FollowedAnswer, Sender } from "./follow-redirects.ts";
import { followRedirects } from "./follow-redirects.ts";
import type { Authorization } from "./host-authorizer.ts";
import { HostAuthorizer } from "./host-authorizer.ts";
import type { HttpTarget } from "./http-target.ts";
import type { RegistryEndpoint } from "./registry-endpoint.ts";
import type { RegistryWarnings } from "./registry-warnings.ts";
import type { RequestFailure } from "./request-failure.ts";
import type { Lane } from "./transport.ts";

/** What all requests of one import to one registry, or to one mirror, share. */
export interface RegistryConnection {
  readonly sender: Sender;
  readonly endpoint: RegistryEndpoint;
  /** As in the normalised reference: `docker.io`; of a mirror its own host. What logins are looked up under. */
  readonly registry: string;
  readonly repository: string;
  readonly reference: string;
  readonly findCredentials: (
    host: string,
    signal: AbortSignal,
  ) => Promise<FoundCredentials | undefined>;
  readonly onRefusedLogin: (origin: string) => void;
  /** One an origin, and one more for what the registry redirects to on its own origin (RED-7). */
  readonly authorizers: Map<string, HostAuthorizer>;
  readonly warnings: RegistryWarnings;
  /** Of `Sender.headersFor`, for what a server echoes. */
  readonly secrets: readonly string[];
  /** The client's life. */
  readonly signal: AbortSignal;
}

export interface RegistryGet {
  readonly kind: Exclude<AnswerFacts["kind"], "token">;
  /** Below `/v2/REPOSITORY/`: `manifests/TAG`, `blobs/DIGEST`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly lane: Lane;
  readonly what: string;
  readonly firstByteMs?: number | undefined;
  /** Besides 200, which answers are the caller's to judge. */
  readonly alsoAccepts?: readonly number[];
  readonly signal: AbortSignal;
}

/** A challenge, a token that expired, the same from a redirect's target, and once more each. */
const MAX_ROUNDS = 6;

/**
 * One try of one GET: redirects followed, challenges answered (registry-cases CH, TOK, RED).
 * @throws RequestFailure for an answer that may be tried again or not; ImportError where nothing may follow
 */
export async function sendToRegistry(
  connection: RegistryConnection,
  get: RegistryGet,
): Promise<FollowedAnswer> {
  const refreshed = new Set<HostAuthorizer>();
  for (let round = 0; ; round += 1) {
    const first = await connection.endpoint.target(
      `/${connection.repository}/${get.path}`,
      get.signal,
    );
    let last: SentTo | undefined;
    const followed = await followRedirects(connection.sender, {
      ...get,
      first,
      method: "GET",
      headers: { "accept-encoding": "identity", ...get.headers },
      authorizationFor: async (target, hops) => {
        last = await authorize(connection, { first, target, hops, signal: get.signal });
        return last.authorization?.header;
      },
    });
    const { status } = followed.answer;
    connection.warnings.take(followed.answer, followed.target.host);
    if (status === 200 || get.alsoAccepts?.includes(status) === true) return followed;
    const body = await readErrorBody(followed.answer);
    const again =
      status === 401 &&
      round < MAX_ROUNDS &&
      last !== undefined &&
      (await answered(followed, last, { refreshed, ...get, reference: connection.reference }));
    if (!again) throw refusal(connection, get, { followed, body, last });
  }
}

interface SentTo {
  readonly authorizer: HostAuthorizer;
  readonly authorization: Authorization | undefined;
}

interface Hop {
  readonly first: HttpTarget;
  readonly target: HttpTarget;
  readonly hops: number;
  readonly signal: AbortSignal;
}

/** Never the registry's token on another origin (RED-2); on its own, a redirect's target may have tokens of its own. */
async function authorize(connection: RegistryConnection, hop: Hop): Promise<SentTo> {
  const { first, target, hops, signal } = hop;
  const sameOrigin = target.origin === first.origin;
  const authorizer = authorizerFor(connection, target, sameOrigin, hops > 0);
  const own = await authorizer.authorization(signal);
  if (own !== undefined || !sameOrigin || hops === 0) return { authorizer, authorization: own };
  const registrys = authorizerFor(connection, first, true, false);
  return { authorizer, authorization: await registrys.authorization(signal) };
}

function authorizerFor(
  connection: RegistryConnection,
  target: HttpTarget,
  sameOrigin: boolean,
  redirected: boolean,
): HostAuthorizer {
  const key = redirected ? `redirected to ${target.origin}` : target.origin;
  const found = connection.authorizers.get(key);
  if (found !== undefined) return found;
  const host = sameOrigin ? connection.registry : target.host;
  const made = new HostAuthorizer({
    sender: connection.sender,
    findCredentials: (signal) => connection.findCredentials(host, signal),
    reference: connection.reference,
    repository: connection.repository,
    foreign: redirected,
    onRefusedLogin: connection.onRefusedLogin,
    signal: connection.signal,
  });
  connection.authorizers.set(key, made);
  return made;
}

interface Round {
  readonly refreshed: Set<HostAuthorizer>;
  readonly what: string;
  readonly reference: string;
  readonly signal: AbortSignal;
}

async function answered(followed: FollowedAnswer, sentTo: SentTo, round: Round): Promise<boolean> {
  const { authorizer, authorization } = sentTo;
  const lines = challengeLines(followed.answer);
  // An object store answers an expired link with 401 too, and challenges nobody: that is not for the authorizer.
  if (lines.length === 0 && followed.hops > 0) return false;
  try {
    const outcome = await authorizer.answerChallenge({
      lines,
      target: followed.target,
      authorization,
      refreshed: round.refreshed.has(authorizer),
      signal: round.signal,
    });
    if (outcome === "refreshed") round.refreshed.add(authorizer);
    return outcome !== "refused";
  } catch (error) {
    // Of a redirect's target that cannot be satisfied, the registry is asked again (BLOB-6).
    if (!(error instanceof ImportError) || round.signal.aborted) throw error;
    if (elsewhere(followed)) return false;
    throw named(error, followed, round);
  }
}

/** The authorizer knows the host; the user wants to know for what. */
function named(
  error: ImportError,
  followed: FollowedAnswer,
  { what, reference }: { readonly what: string; readonly reference: string },
): ImportError {
  const ofRegistry = error.code === "ERR_AUTH_REQUIRED" || error.code === "ERR_REGISTRY_PROTOCOL";
  if (!ofRegistry || error.details["reference"] !== undefined) return error;
  const message = error.message.includes(reference)
    ? error.message
    : `${error.message}, for ${what}`;
  return new ImportError(error.code, message, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    details: { ...error.details, reference, host: followed.hosts, status: followed.answer.status },
    cause: error.cause,
  });
}

function elsewhere({ hosts }: FollowedAnswer): boolean {
  return hosts.includes(", then ");
}

interface Refused {
  readonly followed: FollowedAnswer;
  readonly body: Uint8Array;
  readonly last: SentTo | undefined;
}

function refusal(
  connection: RegistryConnection,
  get: RegistryGet,
  { followed, body, last }: Refused,
): RequestFailure | ImportError {
  const authorization = last?.authorization;
  const redirected = elsewhere(followed) && authorization === undefined;
  const asked: AskedFor = {
    method: "GET",
    kind: get.kind,
    what: get.what,
    reference: connection.reference,
    sent: redirected ? "redirected" : (authorization?.sent ?? "none"),
    ...(authorization === undefined ? {} : { sentScopes: authorization.scopes }),
    secrets: [...secretsOf(last), ...connection.secrets],
  };
  const failure = answerFailure(followed, asked, body, connection.sender.retries);
  const { error } = failure;
  const refused = error.code === "ERR_AUTH_REQUIRED" || error.code === "ERR_AUTH_DENIED";
  if (!refused) return failure;
  const helperError = last?.authorizer.helperError;
  if (helperError !== undefined) return helperError;
  const origin = last?.authorizer.loginOrigin;
  if (error.code === "ERR_AUTH_REQUIRED" || origin === undefined) return error;
  return new ImportError(error.code, error.message, {
    hint: `${error.hint ?? ""} The login came from ${origin}.`.trim(),
    details: error.details,
  });
}

function secretsOf(last: SentTo | undefined): readonly string[] {
  const header = last?.authorization?.header;
  const sent = header === undefined ? [] : [header.slice(header.indexOf(" ") + 1)];
  return [...sent, ...(last?.authorizer.secrets ?? [])];
}
