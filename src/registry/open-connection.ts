import { createDockerCredentials } from "../auth/docker-credentials.ts";
import type { Sender } from "./follow-redirects.ts";
import type { RegistryClientOptions } from "./registry-client.ts";
import { RegistryEndpoint } from "./registry-endpoint.ts";
import type { RegistryConnection } from "./registry-request.ts";
import { DEFAULT_TIMING } from "./request-timing.ts";
import { RetryState } from "./retry-plan.ts";
import { Transport } from "./transport.ts";
import { TrustStore } from "./trust-store.ts";

export interface ConnectionLife {
  readonly signal: AbortSignal;
  readonly onRefusedLogin: (origin: string) => void;
}

/** What all requests of one client share. Nothing is asked yet, and no file is read. */
export function openConnection(
  options: RegistryClientOptions,
  life: ConnectionLife,
): RegistryConnection {
  const { reference, env, insecure, userAgent, concurrency } = options;
  const { registry, apiHost, repository, canonical } = reference;
  const timing = { ...DEFAULT_TIMING, ...options.timing };
  const retries = new RetryState(timing, options.onRetry, options.random);
  const registryHosts = [...new Set([apiHost, registry])];
  const trust = new TrustStore({ env, insecure, registryHosts });
  const sender: Sender = {
    transport: new Transport({ env, userAgent, reference: canonical, concurrency, timing, trust }),
    retries,
    insecure,
    reference: canonical,
  };
  const { plainHttp } = options;
  const credentials =
    options.credentials ?? createDockerCredentials({ env, loginRegistry: registry });
  return {
    sender,
    endpoint: new RegistryEndpoint({
      apiHost,
      plainHttp,
      insecure,
      env,
      retries,
      reference: canonical,
    }),
    registry,
    repository,
    reference: canonical,
    findCredentials: (host, signal) => credentials.credentialsFor(host, repository, signal),
    onRefusedLogin: life.onRefusedLogin,
    authorizers: new Map(),
    signal: life.signal,
  };
}
