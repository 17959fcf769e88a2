/**
 * Where a request goes. `path` (with its query) is sent byte for byte as it was received: WHATWG URL parsing would
 * re-encode it, and a signed URL that changed by one byte is refused (registry-cases RED-5).
 */
export interface HttpTarget {
  readonly scheme: "http" | "https";
  /** Lower case, without brackets: `registry.example.com`, `127.0.0.1`, `::1`. */
  readonly hostname: string;
  /** `host` or `host:port`, without the scheme's default port; IPv6 in brackets. For messages and per-host state. */
  readonly host: string;
  /** `scheme://host`: what two URLs must share for credentials to be sent to both (RED-2). */
  readonly origin: string;
  /** Begins with `/`; ASCII without spaces. */
  readonly path: string;
}

export type TargetProblem = "unreadable" | "scheme" | "user info";

/** RED-1: Azure and CloudFront signatures reach 4 KiB; what is longer is not a URL anybody signed. */
const MAX_LOCATION_CHARACTERS = 16_384;
const SCHEME = /^([a-z][a-z0-9+.-]*):/i;

/** @param url absolute, http or https */
export function parseTarget(url: string): HttpTarget | TargetProblem {
  const scheme = SCHEME.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return "unreadable";
  if (scheme !== "http" && scheme !== "https") return "scheme";
  const rest = url.slice(scheme.length + 1);
  if (!rest.startsWith("//")) return "unreadable";
  return targetOf(scheme, rest.slice(2));
}

/** The target of a `Location` or realm, absolute or relative to `base` (RFC 3986 section 5.2). */
export function resolveTarget(base: HttpTarget, location: string): HttpTarget | TargetProblem {
  const text = location.trim();
  if (text === "" || text.length > MAX_LOCATION_CHARACTERS) return "unreadable";
  if (SCHEME.test(text)) return parseTarget(text);
  if (text.startsWith("//")) return targetOf(base.scheme, text.slice(2));
  if (text.startsWith("/")) return { ...base, path: sendable(text) };
  const [basePath = "/"] = base.path.split("?");
  if (text.startsWith("?") || text.startsWith("#")) {
    return { ...base, path: sendable(basePath + text) };
  }
  return { ...base, path: sendable(mergeRelative(basePath, text)) };
}

/** @param rest authority and path: `host:port/path?query` */
function targetOf(scheme: "http" | "https", rest: string): HttpTarget | TargetProblem {
  const end = rest.search(/[/?#\\]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  const path = end < 0 ? "" : rest.slice(end);
  if (authority.includes("@")) return "user info";
  if (!URL.canParse(`${scheme}://${authority}/`)) return "unreadable";
  const { hostname, host, origin } = new URL(`${scheme}://${authority}/`);
  if (hostname === "") return "unreadable";
  return {
    scheme,
    hostname: hostname.replaceAll(/[[\]]/g, ""),
    host,
    origin,
    path: sendable(path.startsWith("/") ? path : `/${path}`),
  };
}

/** Without the fragment; what may not stand in a request line is percent-encoded, all else stays as it is. */
function sendable(path: string): string {
  const [withoutFragment = ""] = path.split("#");
  return withoutFragment.replaceAll(/[^\u0021-\u007e]+/gu, (part) =>
    // Attack: half a surrogate pair in an image's `urls` is no character that could be encoded.
    encodeURIComponent(part.replaceAll(/\p{Surrogate}/gu, "\ufffd")),
  );
}

function mergeRelative(basePath: string, relative: string): string {
  const queryAt = relative.indexOf("?");
  const path = queryAt < 0 ? relative : relative.slice(0, queryAt);
  const query = queryAt < 0 ? "" : relative.slice(queryAt);
  const parts = basePath.split("/").slice(1, -1);
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}${query}`;
}
