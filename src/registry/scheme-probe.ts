import type { Socket } from "node:net";
import { connect, isIP } from "node:net";
import { connect as connectTls } from "node:tls";

/** What OpenSSL calls an answer that is none of TLS. Other alerts come from somebody who speaks it. */
const NOT_TLS = /wrong.version|packet.length|http.request/i;
/** For so long a server may say nothing to a TLS hello, or to a plain request. */
const PATIENCE_MS = 3000;

/**
 * Whether a host speaks TLS, by one handshake that checks no certificate: for loopback registries, and for those that
 * the user called insecure (registry-cases TLS-3, TLS-6). Who says something else, nothing, or hangs up, is asked again in plain
 * http: a connection that breaks, or a busy server, is no http server yet.
 *
 * @param port `undefined`: 443 is tried, and a refused connection means port 80
 * @throws Error of the socket when nothing answers the question
 */
export async function probeScheme(
  hostname: string,
  port: number | undefined,
  signal: AbortSignal,
): Promise<"https" | "http"> {
  const answer = await helloTls(hostname, port ?? 443, signal);
  if (answer === "https") return answer;
  const { code = "", message } = answer;
  if (code === "ECONNREFUSED" && port === undefined) return "http";
  const spoke = code === "EPROTO" || /^ERR_(SSL|TLS|OSSL)/.test(code);
  const unclear = spoke
    ? NOT_TLS.test(`${code} ${message}`)
    : code === "ECONNRESET" || code === "EPIPE" || code === "ETIMEDOUT";
  if (unclear && (await answersHttp(hostname, port ?? 443, signal))) return "http";
  // Somebody is there who does not speak http: the real request will say what is wrong.
  if (spoke) return "https";
  throw answer;
}

/** @returns the error that the handshake failed with */
function helloTls(
  hostname: string,
  port: number,
  signal: AbortSignal,
): Promise<"https" | NodeJS.ErrnoException> {
  const socket = connectTls({
    host: hostname,
    port,
    rejectUnauthorized: false,
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
  });
  return firstAnswer(socket, signal, (answer) => {
    socket.once("secureConnect", () => answer("https"));
    socket.on("error", answer);
    socket.once("timeout", () => answer(silence()));
  });
}

/** A server behind TLS answers a plain request with 400, if at all. */
function answersHttp(hostname: string, port: number, signal: AbortSignal): Promise<boolean> {
  const socket = connect({ host: hostname, port });
  const host = isIP(hostname) === 6 ? `[${hostname}]` : hostname;
  socket.write(`GET /v2/ HTTP/1.1\r\nhost: ${host}:${port}\r\nconnection: close\r\n\r\n`);
  return firstAnswer(socket, signal, (answer) => {
    let said = "";
    socket.on("data", (chunk) => {
      said += chunk.toString("latin1");
      if (said.length >= STATUS_BYTES) answer(/^HTTP\/1\.[01] (?!400)\d{3}/.test(said));
    });
    for (const event of ["error", "close", "timeout"]) socket.once(event, () => answer(false));
  });
}

/** `HTTP/1.1 200` */
const STATUS_BYTES = 12;

/** Waits for one answer, and closes the socket. */
function firstAnswer<T>(
  socket: Socket,
  signal: AbortSignal,
  listen: (answer: (value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      finish();
      socket.destroy();
    };
    const onAbort = (): void => settle(() => reject(new Error("cancelled")));
    // An error that comes after the answer is nobody's.
    socket.on("error", () => undefined);
    listen((value) => settle(() => resolve(value)));
    socket.setTimeout(PATIENCE_MS);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function silence(): NodeJS.ErrnoException {
  const message = `no answer to a TLS hello for ${PATIENCE_MS / 1000} s`;
  return Object.assign(new Error(message), { code: "ETIMEDOUT" });
}
