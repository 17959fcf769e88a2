import type { CredentialProvider } from "../auth/credential-provider.ts";
import type { Sender } from "./follow-redirects.ts";
import type { PullHost } from "./mirrors/pull-host.ts";
import type { RegistryClientOptions } from "./registry-client.ts";
import { RegistryEndpoint } from "./registry-endpoint.ts";
import type { RegistryConnection } from "./registry-request.ts";
import type { RegistryWarnings } from "./registry-warnings.ts";
import type { RequestTiming } from "./request-timing.ts";
import { DEFAULT_TIMING } from "./request-timing.ts";
import { RetryState } from "./retry-plan.ts";
import { Transport } from "./transport.ts";
import { TrustStore } from "./trust-store.ts";

/** What belongs to one host of a client. */
export interface ConnectionPlan {
  readonly host: PullHost;
  /** Somebody else can be asked: two tries, and no long waits (registry-cases MIR-4). */
  readonly isMirror: boolean;
  readonly credentials: CredentialProvider;
  readonly signal: AbortSignal;
  readonly onRefusedLogin: (origin: string) => void;
  /** Those of all hosts together. */
  readonly warnings: RegistryWarnings;
}

const MIRROR_TRIES = 2;
/** A mirror that asks for a longer pause is no help. */
const MIRROR_RETRY_AFTER_MS = 2000;

/** What all requests of one client to one host share. Nothing is asked yet, and no file is read. */
export function openConnection(
  options: RegistryClientOptions,
  plan: ConnectionPlan,
): RegistryConnection {
  const { env, userAgent, concurrency } = options;
  const { host, credentials } = plan;
  const { name, apiHost, repository, insecure, headers, certificates } = host;
  const reference = options.reference.canonical;
  const timing = timingOf(options, plan);
  const retries = new RetryState(timing, options.onRetry, options.random);
  const registryHosts = [...new Set([apiHost, name])];
  const trust = new TrustStore({ env, insecure, registryHosts, certificates });
  const endpoint = new RegistryEndpoint({ host, env, retries, reference });
  const sender: Sender = {
    transport: new Transport({
      env,
      userAgent,
      reference,
      concurrency,
      timing,
      trust,
      onRequest: options.onRequest,
    }),
    retries,
    insecure,
    reference,
    headersFor: (target) => (endpoint.isOwn(target) ? headers : {}),
  };
  return {
    sender,
    endpoint,
    registry: name,
    repository,
    reference,
    findCredentials: (registry, signal) => credentials.credentialsFor(registry, repository, signal),
    onRefusedLogin: plan.onRefusedLogin,
    authorizers: new Map(),
    warnings: plan.warnings,
    secrets: Object.values(headers),
    signal: plan.signal,
  };
}

function timingOf(options: RegistryClientOptions, { isMirror }: ConnectionPlan): RequestTiming {
  const timing = { ...DEFAULT_TIMING, ...options.timing };
  if (!isMirror) return timing;
  return {
    ...timing,
    attempts: Math.min(MIRROR_TRIES, timing.attempts),
    maxRetryAfterMs: Math.min(MIRROR_RETRY_AFTER_MS, timing.maxRetryAfterMs),
  };
}
