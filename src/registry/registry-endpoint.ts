import { hostClass } from "../auth/host-class.ts";
import { chooseProxy } from "./choose-proxy.ts";
import type { HttpTarget } from "./http-target.ts";
import { parseTarget } from "./http-target.ts";
import type { PullHost } from "./mirrors/pull-host.ts";
import { networkFailure } from "./network-error.ts";
import { RetryPlan } from "./retry-plan.ts";
import type { RetryState } from "./retry-plan.ts";
import { probeScheme } from "./scheme-probe.ts";

export interface EndpointOptions {
  readonly host: Pick<PullHost, "apiHost" | "scheme" | "basePath" | "query" | "insecure">;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly retries: RetryState;
  readonly reference: string;
}

/**
 * The origin of a registry or mirror. What its URL says, else https, without asking; but one on loopback, or one that the user
 * called insecure, is asked once which of the two it speaks (registry-cases TLS-3, TLS-6). Nothing else ever falls back to http.
 */
export class RegistryEndpoint {
  readonly #options: EndpointOptions;
  #scheme: Promise<"https" | "http"> | undefined;
  #origin: string | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /** Whether that is the host itself, and not one that it redirects or refers to. */
  isOwn(target: HttpTarget): boolean {
    return target.origin === this.#origin;
  }

  /** @param path below the API's base: `/REPOSITORY/…`. @throws ImportError ERR_NETWORK when nothing answers the question */
  async target(path: string, signal: AbortSignal): Promise<HttpTarget> {
    this.#scheme ??= this.#findScheme(signal).catch((error: unknown) => {
      this.#scheme = undefined;
      throw error;
    });
    const { apiHost, basePath, query } = this.#options.host;
    const suffix = query === "" ? "" : `?${query}`;
    const target = targetAt(await this.#scheme, apiHost, `${basePath}${path}${suffix}`);
    this.#origin = target.origin;
    return target;
  }

  async #findScheme(signal: AbortSignal): Promise<"https" | "http"> {
    const { host, env, retries, reference } = this.#options;
    const { apiHost, scheme, insecure } = host;
    if (scheme !== undefined) return scheme;
    const https = targetAt("https", apiHost, "/");
    if (!insecure && hostClass(https.hostname) !== "loopback") return "https";
    // A proxy would have to be asked to connect to a port that may not speak TLS at all.
    if (chooseProxy(https.origin, env) !== undefined) return "https";
    const plan = new RetryPlan(retries, `the connection to ${apiHost}`);
    for (;;) {
      try {
        return await probeScheme(https.hostname, portOf(apiHost), signal);
      } catch (error) {
        const what = `the manifest of ${reference}`;
        const failure = networkFailure(error, {
          host: https.host,
          what,
          reference,
          beforeAnswer: false,
        });
        await plan.next(failure, signal);
      }
    }
  }
}

function targetAt(scheme: "https" | "http", host: string, path: string): HttpTarget {
  const target = parseTarget(`${scheme}://${host}${path}`);
  // The reference grammar leaves nothing else.
  if (typeof target === "string") throw new Error(`the host of the reference is ${target}`);
  return target;
}

function portOf(host: string): number | undefined {
  const port = /:(\d+)$/.exec(host)?.[1];
  return port === undefined ? undefined : Number(port);
}
