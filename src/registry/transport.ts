import type { SecureContext } from "node:tls";
import type { Dispatcher } from "undici";
import { Agent, Pool, ProxyAgent } from "undici";
import { cancellation } from "../errors.ts";
import type { ProxyChoice } from "./choose-proxy.ts";
import { chooseProxy } from "./choose-proxy.ts";
import type { HttpAnswer } from "./http-exchange.ts";
import { exchange } from "./http-exchange.ts";
import type { HttpTarget } from "./http-target.ts";
import { parseTarget } from "./http-target.ts";
import { failureReason, networkFailure } from "./network-error.ts";
import type { RequestLine } from "../progress.ts";
import type { ExchangeEnd } from "./request-log.ts";
import { loggedUrl } from "./request-log.ts";
import type { RequestTiming } from "./request-timing.ts";
import type { Trust, TrustStore } from "./trust-store.ts";

export interface TransportOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `rootlift/0.1.0` */
  readonly userAgent: string;
  /** What is imported, for errors. */
  readonly reference: string;
  /** Connections for blobs. */
  readonly concurrency: number;
  readonly timing: RequestTiming;
  readonly trust: TrustStore;
  /** Told of each request when it has ended. */
  readonly onRequest?: ((line: RequestLine) => void) | undefined;
}

/**
 * Blobs have connections of their own: a token request must not wait behind eight paused layers, one of which waits for
 * that token.
 */
export type Lane = "api" | "blob";

export interface TransportRequest {
  readonly target: HttpTarget;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly lane: Lane;
  /** For messages: who is talked to, all hosts after a redirect, and what for. */
  readonly host: string;
  readonly what: string;
  readonly firstByteMs?: number | undefined;
  readonly signal: AbortSignal;
}

const API_CONNECTIONS = 8;
/** Long Locations and Set-Cookies pass Node's 16 KiB (CONN-5). */
const MAX_HEADER_BYTES = 32 * 1024;
/** Under the 20 s after which Artifactory closes an idle connection (CONN-3), and long enough for a credential helper. */
const KEEP_ALIVE_MS = 15_000;

/** Sends single requests: no redirects, no retries, no authentication. The only importer of undici's agents. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #userAgent: string;
  readonly #dispatchers = new Map<string, Dispatcher>();
  #closed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    const platform = `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`;
    this.#userAgent = `${options.userAgent} (+node/${process.versions.node}; ${platform})`;
  }

  /** @throws RequestFailure for whatever went wrong on the connection; ImportError ERR_CANCELLED, ERR_CONFIG_INVALID */
  async send(request: TransportRequest): Promise<HttpAnswer> {
    const { target, signal } = request;
    const { timing } = this.#options;
    const proxy = chooseProxy(target.origin, this.#options.env);
    const dispatcher = this.#dispatcherFor(target, request.lane, proxy);
    const startMs = performance.now();
    try {
      return await exchange(
        dispatcher,
        {
          origin: target.origin,
          path: target.path,
          method: request.method,
          headers: { "user-agent": this.#userAgent, ...request.headers },
          ...(request.body === undefined ? {} : { body: request.body }),
        },
        {
          limits: { ...timing, firstByteMs: request.firstByteMs ?? timing.firstByteMs },
          signal,
          onEnd: (end) => this.#tell(request, startMs, end),
        },
      );
    } catch (error) {
      if (signal.aborted) throw cancellation(signal);
      throw networkFailure(error, {
        host: request.host,
        proxy: proxy?.origin.replace(/^https?:\/\//, ""),
        what: request.what,
        reference: this.#options.reference,
        beforeAnswer: true,
      });
    }
  }

  #tell(
    { method, target, headers }: TransportRequest,
    startMs: number,
    { status, receivedBytes, error }: ExchangeEnd,
  ): void {
    const { range } = headers;
    this.#options.onRequest?.({
      method,
      url: loggedUrl(target),
      ...(range === undefined ? {} : { range }),
      ...(status === undefined ? {} : { status }),
      receivedBytes,
      durationMs: Math.round((performance.now() - startMs) * 10) / 10,
      ...(error === undefined ? {} : { failure: failureReason(error) }),
    });
  }

  /** Ends every connection, those in use too. */
  async close(): Promise<void> {
    this.#closed = true;
    const dispatchers = [...this.#dispatchers.values()];
    this.#dispatchers.clear();
    await Promise.all(dispatchers.map((dispatcher) => dispatcher.destroy()));
  }

  #dispatcherFor(target: HttpTarget, lane: Lane, proxy: ProxyChoice | undefined): Dispatcher {
    if (this.#closed) throw new Error("the registry client is closed");
    const trust: Trust = target.scheme === "http" ? PLAIN : this.#options.trust.trustFor(target);
    const key = [lane, trust.key, proxy?.origin ?? "direct"].join(" ");
    const found = this.#dispatchers.get(key);
    if (found !== undefined) return found;
    const made = this.#dispatcher(lane, trust, proxy);
    this.#dispatchers.set(key, made);
    return made;
  }

  #dispatcher(lane: Lane, trust: Trust, proxy: ProxyChoice | undefined): Dispatcher {
    const { connectMs } = this.#options.timing;
    const tls = {
      rejectUnauthorized: trust.rejectUnauthorized,
      ...(trust.secureContext === undefined ? {} : { secureContext: trust.secureContext }),
    };
    const common = {
      // One flow-control window for all layers would be slower than several connections (CONN-2).
      allowH2: false,
      pipelining: 1,
      // The slots keep to `concurrency`; a blob whose chunk is late has one more for the hedge, and nobody waits in here.
      connections: lane === "blob" ? 2 * this.#options.concurrency : API_CONNECTIONS,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    // undici has one clock for the connection and its handshake.
    const timeout = trust === PLAIN ? connectMs : 2 * connectMs;
    if (proxy === undefined) return new Agent({ ...common, connect: { ...tls, timeout } });
    return new ProxyAgent({
      ...common,
      uri: proxy.origin,
      connectTimeout: timeout,
      // The answer to CONNECT; without this a silent proxy has undici's five minutes.
      clientFactory: (origin, client) => new Pool(origin, { ...client, headersTimeout: timeout }),
      requestTls: tls,
      proxyTls: this.#proxyTls(proxy),
      ...(proxy.authorization === undefined ? {} : { token: proxy.authorization }),
    });
  }

  /** A proxy reached over https is judged like any host: by the system's authorities. */
  #proxyTls(proxy: ProxyChoice): { readonly secureContext?: SecureContext } {
    const target = parseTarget(proxy.origin);
    if (typeof target === "string" || target.scheme === "http") return {};
    const { secureContext } = this.#options.trust.trustFor(target);
    return secureContext === undefined ? {} : { secureContext };
  }
}

/** Plain http: there is no certificate to judge. */
const PLAIN: Trust = { key: "plain", rejectUnauthorized: true };
