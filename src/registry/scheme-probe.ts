import type { Socket } from "node:net";
import { isIP } from "node:net";
import { connect } from "node:tls";

/** A server that has said nothing to a TLS hello for so long is taken for one that speaks plain http. */
const PATIENCE_MS = 3000;

/**
 * Whether a host speaks TLS, by one handshake that checks no certificate: for loopback registries, and for those that
 * the user called insecure (registry-cases TLS-3, TLS-6).
 *
 * @param port `undefined`: 443 is tried, and a refused connection means port 80
 * @throws Error of the socket when nothing answers
 */
export function probeScheme(
  hostname: string,
  port: number | undefined,
  signal: AbortSignal,
): Promise<"https" | "http"> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket: Socket = connect({
      host: hostname,
      port: port ?? 443,
      rejectUnauthorized: false,
      ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
    });
    const timer = setTimeout(() => finish(() => resolve("http")), PATIENCE_MS);
    const onAbort = (): void => finish(() => reject(new Error("cancelled")));
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      settle();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("secureConnect", () => finish(() => resolve("https")));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      const scheme = schemeOfError(error, port);
      finish(() => (scheme === undefined ? reject(error) : resolve(scheme)));
    });
  });
}

function schemeOfError(
  error: NodeJS.ErrnoException,
  port: number | undefined,
): "https" | "http" | undefined {
  const code = error.code ?? "";
  if (code === "ECONNREFUSED" && port === undefined) return "http";
  // An http server that was sent a TLS hello hangs up, or answers 400 in plain text.
  if (code === "ECONNRESET" || code === "EPIPE") return "http";
  if (/WRONG_VERSION|PACKET_LENGTH|HTTP_REQUEST/.test(code)) return "http";
  if (code === "EPROTO" && /wrong version|packet length|http request/.test(error.message)) {
    return "http";
  }
  // Any other TLS alert comes from somebody who speaks TLS: the real request will say what is wrong.
  return code === "EPROTO" || /^ERR_(SSL|TLS|OSSL)/.test(code) ? "https" : undefined;
}
