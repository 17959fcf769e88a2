import { ImportError, printable } from "../errors.ts";
import { sanitised } from "./error-body.ts";
import type { FailureFacts } from "./request-failure.ts";
import { RequestFailure } from "./request-failure.ts";
import { BodyGivenUp, ClockError } from "./response-body.ts";

export interface ConnectionFacts {
  /** Whom we talked to: `ghcr.io`, or both hosts after a redirect. */
  readonly host: string;
  /** `host:port` of the proxy in between. */
  readonly proxy?: string | undefined;
  /** `the manifest of ghcr.io/org/app:1.2` */
  readonly what: string;
  /** For `details`: the normalised reference. */
  readonly reference: string;
  readonly beforeAnswer: boolean;
}

const TLS_REASONS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN:
    "its certificate comes from an authority that this machine does not know",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate comes from an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate comes from an unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "its certificate comes from an unknown authority, or the server does not send the intermediate certificate",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet; is the clock of this machine right?",
  CERT_REVOKED: "its certificate was revoked",
  CERT_UNTRUSTED: "its certificate is not trusted",
  CERT_REJECTED: "its certificate was rejected",
  CERT_SIGNATURE_FAILURE: "the signature of its certificate is wrong",
};

/** A reset or an unreachable address may pass; what is not listed is not retried. */
const PASSING: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "EAI_AGAIN",
  "UND_ERR_SOCKET",
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  "UND_ERR_PRX_CONN",
]);
/** The last is a proxy's answer to CONNECT. */
const TOO_SLOW: ReadonlySet<string> = new Set([
  "UND_ERR_CONNECT_TIMEOUT",
  "ETIMEDOUT",
  "UND_ERR_HEADERS_TIMEOUT",
]);
/** What a connection gives that its server closed while it was idle. */
const STALE: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"]);
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  EAI_AGAIN: "the name could not be looked up just now",
  ENOTFOUND: "the name is not known",
  UND_ERR_SOCKET: "the connection was closed early",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "the connection was closed early",
};

/** What broke an exchange, in a few words for a log. */
export function failureReason(error: Error): string {
  if (error instanceof BodyGivenUp || error.name === "AbortError") return "given up";
  if (error instanceof ImportError) return printable(error.message);
  return [...new Set(unwrapped(error).map(reasonOf))].slice(0, 4).join("; ");
}

/** A connection that failed, as the failure of one try (registry-cases TLS-4, RETRY-1). An abort is passed on as it is. */
export function networkFailure(error: unknown, facts: ConnectionFacts): RequestFailure {
  const errors = unwrapped(error);
  const main = errors.find((one) => codeOf(one) !== "") ?? errors[0] ?? new Error("unknown");
  const code = codeOf(main);
  const through = facts.proxy === undefined ? "" : ` (through the proxy ${facts.proxy})`;
  const where = `${facts.host}${through}`;
  const proxied = proxyFailure(main, facts);
  if (proxied !== undefined) return proxied;
  if (isTls(code, main)) return failure("ERR_TLS", tlsMessage(code, main, where), "no", facts);
  if (main instanceof ClockError || TOO_SLOW.has(code)) {
    const reason = main instanceof ClockError ? main.message : "no connection in time";
    return failure("ERR_TIMEOUT", `${where}: ${reason}, for ${facts.what}`, "yes", facts);
  }
  const unreadable = main.name === "HTTPParserError" || code.startsWith("HPE_");
  if (unreadable || code === "UND_ERR_HEADERS_OVERFLOW") {
    const message = `${where} does not answer in HTTP as it should, for ${facts.what}`;
    return failure("ERR_REGISTRY_PROTOCOL", message, unreadable ? "once" : "no", facts);
  }
  const reasons = [...new Set(errors.map(reasonOf))].slice(0, 4).join("; ");
  const message = `${where}: ${reasons}, for ${facts.what}`;
  if (code === "ENOTFOUND") {
    // Resolvers flap: once more, a second later.
    return failure("ERR_NETWORK", message, "once", { ...facts, retryAfterMs: 1000 });
  }
  return failure("ERR_NETWORK", message, PASSING.has(code) ? "yes" : "no", {
    ...facts,
    staleConnection: facts.beforeAnswer && STALE.has(code),
  });
}

function failure(
  code: "ERR_TLS" | "ERR_TIMEOUT" | "ERR_NETWORK" | "ERR_REGISTRY_PROTOCOL",
  message: string,
  retry: "no" | "yes" | "once",
  facts: ConnectionFacts & Pick<FailureFacts, "staleConnection" | "retryAfterMs">,
): RequestFailure {
  const hints = {
    ERR_TLS:
      "If you trust this registry, add its authority to the system's certificates or, as ca.crt, to /etc/docker/certs.d/HOST, or use --insecure; for a registry that speaks plain http, --plain-http.",
    ERR_TIMEOUT: "Check the network, and whether a proxy or firewall stands in between.",
    ERR_NETWORK: "Check the name of the registry, the network, and proxy settings.",
    ERR_REGISTRY_PROTOCOL: "Check that this is a registry, and that its port is right.",
  };
  const error = new ImportError(code, message, {
    hint: hints[code],
    details: { reference: facts.reference, host: facts.host },
  });
  const more = { staleConnection: facts.staleConnection, retryAfterMs: facts.retryAfterMs };
  return new RequestFailure(error, { retry, host: facts.host, ...more });
}

/** A proxy that refused the tunnel, or a plain request (407 only). undici names the status in the message only. */
function proxyFailure(error: Error, facts: ConnectionFacts): RequestFailure | undefined {
  const refused = /^Proxy (?:response|Authentication Required) \((\d+)\)/.exec(error.message);
  const status = refused?.[1];
  if (status === undefined) return undefined;
  const proxy = facts.proxy ?? "the proxy";
  const denied = status === "407";
  const why = denied ? "it wants a login" : `it answered ${status}`;
  const refusal = new ImportError(
    denied ? "ERR_AUTH_DENIED" : "ERR_NETWORK",
    `${proxy} does not connect us to ${facts.host}: ${why}`,
    {
      hint: denied
        ? "Put user and password into the proxy's URL: http://user:password@host:port."
        : "Check that the proxy allows this host, or add the host to NO_PROXY.",
      details: { reference: facts.reference, host: facts.host, status: Number(status) },
    },
  );
  const retry = Number(status) >= 500 ? "yes" : "no";
  return new RequestFailure(refusal, { retry, host: facts.host });
}

/** Happy eyeballs fail with one error an address; a wrapper's cause tells more than the wrapper. */
function unwrapped(error: unknown): readonly Error[] {
  if (error instanceof AggregateError) return error.errors.flatMap(unwrapped);
  if (!(error instanceof Error)) return [new Error("unknown")];
  const wrapper = ["UND_ERR_PRX_CONN", "UND_ERR_PRX_TLS"].includes(codeOf(error));
  return wrapper && error.cause instanceof Error ? unwrapped(error.cause) : [error];
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

function isTls(code: string, error: Error): boolean {
  if (code in TLS_REASONS || code === "EPROTO") return true;
  if (/^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|UNABLE_TO_|CRL_)/.test(code)) return true;
  return error.message.includes("SSL routines");
}

function tlsMessage(code: string, error: Error, where: string): string {
  if (
    /wrong.version.number|WRONG_VERSION_NUMBER|packet length too long/i.test(
      `${code} ${error.message}`,
    )
  ) {
    return `${where} speaks plain http, not https`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const names = "cert" in error ? alternativeNames(error.cert) : "";
    return `${where}: its certificate is for other names${names}`;
  }
  const reason = TLS_REASONS[code] ?? `the TLS handshake failed (${sanitised(code)})`;
  return `${where}: ${reason}`;
}

function alternativeNames(certificate: unknown): string {
  if (typeof certificate !== "object" || certificate === null) return "";
  const names = "subjectaltname" in certificate ? certificate.subjectaltname : undefined;
  return typeof names === "string" ? ` (${sanitised(names)})` : "";
}

function reasonOf(error: Error): string {
  const code = codeOf(error);
  const reason = REASONS[code] ?? sanitised(code === "" ? error.message : code);
  const address = "address" in error && typeof error.address === "string" ? error.address : "";
  const port = "port" in error && typeof error.port === "number" ? `:${error.port}` : "";
  return address === "" ? reason : `${reason} (${address}${port})`;
}
