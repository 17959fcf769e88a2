import { BlockList, isIP } from "node:net";
import { domainToASCII } from "node:url";
import { basicAuthorization } from "../auth/token-request.ts";
import { conceal } from "../auth/conceal.ts";
import { hostClass } from "../auth/host-class.ts";
import { ImportError, printable } from "../errors.ts";

/** The proxy for one request. */
export interface ProxyChoice {
  /** Without user info: `http://proxy.example:3128`. Fit for messages. */
  readonly origin: string;
  /** The value of `Proxy-Authorization`. A secret, and not enumerable. */
  readonly authorization?: string;
  /** The environment variable that names it, for messages. */
  readonly variable: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

interface Target {
  readonly host: string;
  /** 4, 6, or 0 for a name. */
  readonly family: number;
  readonly port: string;
}

/**
 * The proxy that the environment wants for a request (PROXY-1…3), by the rules of Go's `httpproxy`, which docker,
 * containerd, skopeo and crane share, and curl's `ALL_PROXY`. undici's and Node's own rules differ.
 *
 * @returns `undefined`: go there directly
 * @throws ImportError ERR_CONFIG_INVALID when the proxy to use is unusable: going past it is not what the user asked for
 */
export function chooseProxy(url: string | URL, env: Environment): ProxyChoice | undefined {
  const request = typeof url === "string" ? new URL(url) : url;
  if (request.protocol !== "https:" && request.protocol !== "http:") return undefined;
  const own =
    request.protocol === "https:" ? ["HTTPS_PROXY", "https_proxy"] : ["HTTP_PROXY", "http_proxy"];
  const variable = firstSet(env, [...own, "ALL_PROXY", "all_proxy"]);
  if (variable === undefined) return undefined;
  refuseInCgi(variable, env);
  const noProxy = env[firstSet(env, ["NO_PROXY", "no_proxy"]) ?? ""] ?? "";
  return isExempt(request, noProxy) ? undefined : parseProxy(variable, env[variable] ?? "");
}

function firstSet(env: Environment, names: readonly string[]): string | undefined {
  return names.find((name) => (env[name] ?? "") !== "");
}

/**
 * Attack ("httpoxy"): a web server hands the header `Proxy: evil` to a CGI program as HTTP_PROXY. In lower case too, as Go:
 * not every system tells the two names apart.
 */
function refuseInCgi(variable: string, env: Environment): void {
  if (!/^http_proxy$/i.test(variable) || (env["REQUEST_METHOD"] ?? "") === "") return;
  throw new ImportError(
    "ERR_CONFIG_INVALID",
    `${variable} is not used while REQUEST_METHOD is set: in a CGI program, whoever sends the request chooses it`,
    { hint: "Unset REQUEST_METHOD, or name the proxy in ALL_PROXY." },
  );
}

function parseProxy(variable: string, value: string): ProxyChoice {
  const text = value.trim();
  // No message quotes the value: it may hold a password.
  const refuse = (why: string): never => {
    throw new ImportError("ERR_CONFIG_INVALID", `${variable} ${why}`, {
      hint: `Set ${variable} to a proxy like http://proxy.example:3128, or unset it.`,
      details: { variable },
    });
  };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  if (scheme !== undefined && !/^https?$/i.test(scheme)) {
    return refuse(`names a ${printable(scheme, 40)} proxy; only http and https are supported`);
  }
  const url = URL.parse(scheme === undefined ? `http://${text}` : text);
  if (url === null) return refuse("is not the URL of a proxy");
  const choice = { origin: url.origin, variable };
  if (url.username === "" && url.password === "") return choice;
  const username = decode(url.username);
  const password = decode(url.password);
  if (username === undefined || password === undefined) {
    return refuse("has a user or password with a broken %-escape");
  }
  const authorization = basicAuthorization({ username, password });
  return conceal<ProxyChoice>({ ...choice, authorization }, "authorization");
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function isExempt(url: URL, noProxy: string): boolean {
  const host = unmapped(url.hostname.replace(/^\[(.*)\]$/, "$1"));
  const family = isIP(host);
  if (host === "localhost") return true;
  if (family !== 0 && hostClass(host) === "loopback") return true;
  const port = url.port === "" ? defaultPort(url.protocol) : url.port;
  const target: Target = { host, family, port };
  return noProxy.split(",").some((entry) => covers(entry.trim().toLowerCase(), target));
}

/** `::ffff:a00:1`, as a WHATWG URL writes it, is IPv4: entries for 10.0.0.1 are meant. */
function unmapped(host: string): string {
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host) ?? [];
  if (high === undefined || low === undefined) return host;
  return `${twoBytes(high)}.${twoBytes(low)}`;
}

function twoBytes(hex: string): string {
  const value = Number.parseInt(hex, 16);
  return `${value >> 8}.${value & 255}`;
}

function defaultPort(protocol: string): string {
  return protocol === "https:" ? "443" : "80";
}

/** @param entry of NO_PROXY, trimmed and in lower case; a malformed one covers nothing */
function covers(entry: string, target: Target): boolean {
  if (entry === "*") return true;
  const slash = entry.indexOf("/");
  if (slash !== -1 && isIP(entry.slice(0, slash)) !== 0) {
    return inSubnet(target, entry.slice(0, slash), entry.slice(slash + 1));
  }
  const { host, port } = splitPort(entry);
  if (host === "" || (port !== "" && port !== target.port)) return false;
  const family = isIP(host);
  if (family !== 0) return inSubnet(target, host, family === 4 ? "32" : "128");
  // `0.1` is no suffix of 10.0.0.1: addresses have no parent domains.
  if (target.family !== 0) return false;
  const name = host.startsWith("*.") ? host.slice(1) : host;
  // `domainToASCII` reads a URL's host, and so stops at what would end one.
  const foreign = /[^\0-\x7f]/.test(name) && !/[\s/\\?#@:]/.test(name);
  const ascii = foreign ? domainToASCII(name) : name;
  if (ascii === "") return false;
  return ascii.startsWith(".")
    ? target.host.endsWith(ascii)
    : target.host === ascii || target.host.endsWith(`.${ascii}`);
}

/** `host:port`, `[v6]:port`, `[v6]`, or a host or IPv6 address alone. Go does not know `[v6]` without a port; people do. */
function splitPort(entry: string): { readonly host: string; readonly port: string } {
  const [, inside = "", port] = /^\[([^\]]*)\](?::(.*))?$/.exec(entry) ?? [];
  if (port !== undefined || isIP(inside) === 6) return { host: inside, port: port ?? "" };
  const [host = "", after = "", ...more] = entry.split(":");
  return more.length === 0 ? { host, port: after } : { host: entry, port: "" };
}

/** A subnet covers addresses only: names are not looked up, so that what is exempt does not depend on DNS. */
function inSubnet(target: Target, network: string, prefix: string): boolean {
  const family = isIP(network);
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : 129;
  if (target.family === 0 || bits > (family === 4 ? 32 : 128) || network.includes("%")) {
    return false;
  }
  // `::/0` is all of IPv6; only IPv4-mapped networks say anything about IPv4.
  if (family === 6 && target.family === 4 && !network.startsWith("::ffff:")) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family === 6 ? "ipv6" : "ipv4");
  return list.check(target.host, target.family === 6 ? "ipv6" : "ipv4");
}
