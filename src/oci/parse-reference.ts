import { isIPv6 } from "node:net";
import { ImportError, printable } from "../errors.ts";
import type { Digest } from "./digest.ts";
import { parseDigest } from "./digest.ts";

/** An image reference, normalised as docker does it (registry-cases REF-1 … REF-10). */
export interface Reference {
  /**
   * Host as in the canonical name, its case kept: `docker.io`, `localhost:5000`. Empty when docker's grammar takes a
   * first part that is no host (`a_b.example/c`) for a piece of the path: there is nowhere to pull that from.
   */
  readonly registry: string;
  /** Safe to put into a URL path unescaped: the grammar leaves no `..`, `%`, `?` or `#`. */
  readonly repository: string;
  /** `latest` when neither tag nor digest was given; `null` when only a digest was. */
  readonly tag: string | null;
  /** When there, it alone decides what is pulled; the tag is kept for display (REF-5). */
  readonly digest: Digest | null;
  /** `docker.io/library/alpine:3.20` */
  readonly canonical: string;
  /** As docker prints it: `alpine:3.20` */
  readonly familiar: string;
  /** Where requests go: `registry-1.docker.io` for `docker.io` (REF-3), else the registry. */
  readonly apiHost: string;
  /** Last part of the repository (REF-10). */
  readonly snapshotName: string;
}

const HUB = "docker.io";
const HUB_LEGACY = "index.docker.io";
const HUB_API = "registry-1.docker.io";
const OFFICIAL = "library/";
const REPOSITORY_LENGTH = 255;
/** Not docker's: a host, 255 of repository, 128 of tag and a sha512 digest fit four times; beyond it is no reference. */
const REFERENCE_LENGTH = 4096;

// The grammar of distribution/reference, rule by rule.
const HOST_LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const HOST = `(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const PATH_PART = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const PATH = `${PATH_PART}(?:/${PATH_PART})*`;
const TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const REFERENCE = new RegExp(`^(?:(${HOST})/)?(${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const WHOLE_PATH = new RegExp(`^${PATH}$`);
const WHOLE_TAG = new RegExp(`^${TAG}$`);
const WHOLE_HOST = new RegExp(`^${HOST}$`);
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//;

/**
 * Docker's grammar and normalisation; stricter only in ports and IPv6 addresses (REF-8).
 * @throws ImportError ERR_REFERENCE_INVALID
 */
export function parseReference(text: string): Reference {
  if (text === "") throw invalid(text, "it is empty", "Name an image, for instance alpine:3.20.");
  if (text.length > REFERENCE_LENGTH) throw invalid(text, `it is longer than ${REFERENCE_LENGTH}`);
  if (/^[a-f0-9]{64}$/.test(text)) {
    throw invalid(
      text,
      "64-byte hexadecimal strings cannot be repository names",
      "Write NAME@sha256:… to name an image by its digest.",
    );
  }
  const scheme = SCHEME.exec(text)?.[0];
  if (scheme !== undefined) {
    const bare = text.slice(scheme.length);
    const advice = bare === "" ? "" : `: ${withoutUserInfo(bare)}`;
    throw invalid(text, `it starts with ${scheme}`, `Give it without the prefix${advice}.`);
  }
  const [host, rest] = splitHost(text);
  const match = isLowerCase(rest) ? REFERENCE.exec(`${host}/${rest}`) : null;
  if (match === null) throw explain(text, host, rest);
  const [, registry = "", repository = "", tag, digestText] = match;
  checkHost(text, registry);
  if (repository.length > REPOSITORY_LENGTH) {
    throw invalid(text, `the repository name has more than ${REPOSITORY_LENGTH} characters`);
  }
  const digest = digestText === undefined ? null : digestIn(text, digestText);
  return assemble(registry, repository, tag ?? (digest === null ? "latest" : null), digest);
}

/** REF-1, REF-2: which part is the host, and what docker puts in for the Hub. */
function splitHost(text: string): [host: string, rest: string] {
  const slash = text.indexOf("/");
  if (slash < 0) return [HUB, OFFICIAL + text];
  const first = text.slice(0, slash);
  const after = text.slice(slash + 1);
  const isHost = first === "localhost" || /[.:]/.test(first) || first !== first.toLowerCase();
  if (!isHost) return [HUB, text];
  const host = first === HUB_LEGACY ? HUB : first;
  return [host, host === HUB && !after.includes("/") ? OFFICIAL + after : after];
}

/** Docker looks at the repository, and at a digest's algorithm, but not at a tag. */
function isLowerCase(rest: string): boolean {
  const [checked = ""] = rest.split(":", 1);
  return checked === checked.toLowerCase();
}

function checkHost(text: string, registry: string): void {
  const [, address, port] = /^(?:\[(.*)\]|[^:]*)(?::(.*))?$/.exec(registry) ?? [];
  if (address !== undefined && !isIPv6(address)) {
    throw invalid(text, `[${address}] is not an IPv6 address`);
  }
  if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535)) {
    throw invalid(text, `the port ${port.slice(0, 20)} is not in 1..65535`);
  }
}

function digestIn(text: string, digestText: string): Digest {
  const digest = parseDigest(digestText);
  if (digest !== undefined) return digest;
  throw invalid(
    text,
    `"${printable(digestText)}" is not a digest`,
    "Supported are sha256 (64 digits), sha384 (96) and sha512 (128), in lowercase hexadecimal.",
  );
}

function assemble(
  registry: string,
  repository: string,
  tag: string | null,
  digest: Digest | null,
): Reference {
  const suffix = (tag === null ? "" : `:${tag}`) + (digest === null ? "" : `@${digest.text}`);
  const name = registry === "" ? repository : `${registry}/${repository}`;
  return {
    registry,
    repository,
    tag,
    digest,
    canonical: name + suffix,
    familiar: (registry === HUB ? familiarName(repository) : name) + suffix,
    apiHost: registry === HUB ? HUB_API : registry,
    snapshotName: repository.slice(repository.lastIndexOf("/") + 1),
  };
}

function familiarName(repository: string): string {
  const bare = repository.startsWith(OFFICIAL) ? repository.slice(OFFICIAL.length) : repository;
  return bare.includes("/") ? repository : bare;
}

/** The grammar said no; this says why. Ordered so that the most useful reason comes first. */
function explain(text: string, host: string, rest: string): ImportError {
  if (hasUserInfo(text) || host.includes("@")) {
    return invalid(
      text,
      'no digest follows the "@", and a reference holds no user and password',
      "Store the login with `docker login`, and give the reference without it.",
    );
  }
  const at = rest.indexOf("@");
  const named = at < 0 ? rest : rest.slice(0, at);
  const [, full = "", tag] = /^([^:]*)(?::(.*))?$/s.exec(named) ?? [];
  const path = text.includes(OFFICIAL) ? full : full.replace(OFFICIAL, "");
  if (path !== path.toLowerCase()) {
    const suggestion = WHOLE_PATH.test(path.toLowerCase())
      ? `Did you mean ${path.toLowerCase()}?`
      : undefined;
    return invalid(text, "the repository name must be lowercase", suggestion);
  }
  if (!isLowerCase(rest)) return invalid(text, "the digest's algorithm must be lowercase");
  if (/\s/.test(text)) return invalid(text, "it has white space in it");
  const noHost = explainHost(text, host);
  if (noHost !== undefined) return noHost;
  if (path === "") return invalid(text, "the repository name is missing");
  if (!WHOLE_PATH.test(path)) {
    return invalid(
      text,
      `"${printable(path)}" is not a repository name`,
      "It is made of parts of a-z and 0-9, joined by one '.', one or two '_', or '-', with '/' between them.",
    );
  }
  if (tag !== undefined && !WHOLE_TAG.test(tag)) {
    return invalid(
      text,
      `"${printable(tag)}" is not a tag`,
      "A tag has up to 128 letters, digits, '_', '.' and '-', and starts with a letter, digit or '_'.",
    );
  }
  if (at < 0) return invalid(text, "it is no image name");
  return invalid(
    text,
    `"${printable(rest.slice(at + 1))}" is not a digest`,
    "A digest is sha256, sha384 or sha512, a colon, and 64, 96 or 128 lowercase hexadecimal digits.",
  );
}

function explainHost(text: string, host: string): ImportError | undefined {
  if (/^\.{0,2}\//.test(text)) {
    const path = printable(text);
    const advice = `For an OCI layout on the disk write oci:${path}; an archive is oci-archive:FILE or docker-archive:FILE.`;
    return invalid(text, "it is a path", advice);
  }
  if (/[^\u0020-\u007e]/.test(host)) {
    const advice = "Write an international domain name in its xn-- form.";
    return invalid(text, "the host is not ASCII", advice);
  }
  return WHOLE_HOST.test(host)
    ? undefined
    : invalid(text, `"${printable(host)}" is not a host name`);
}

function invalid(text: string, why: string, hint?: string): ImportError {
  const shown = withoutUserInfo(text);
  return new ImportError("ERR_REFERENCE_INVALID", `invalid image reference "${shown}": ${why}`, {
    ...(hint === undefined ? {} : { hint }),
    details: { reference: shown },
  });
}

/** `user:secret@host/x` is refused, but what was typed must not come back in a message or a log. */
function withoutUserInfo(text: string): string {
  const end = userInfoEnd(text);
  return printable(end === 0 ? text : `${SCHEME.exec(text)?.[0] ?? ""}***${text.slice(end)}`);
}

function hasUserInfo(text: string): boolean {
  return userInfoEnd(text) > 0;
}

/**
 * Where the login ends that the text starts with, 0 without one: the last `@` that begins no digest, with a colon
 * before it. `a:1@foo:bar` is taken for a login too: better once too often.
 */
function userInfoEnd(text: string): number {
  const head = text.replace(/@(?:(?:sha\d+|md5)(?::[^/.@]*)?)?$/i, "");
  const at = head.lastIndexOf("@");
  return at > 0 && head.slice(0, at).replace(SCHEME, "").includes(":") ? at : 0;
}
