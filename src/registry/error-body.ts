import { fieldOf } from "../auth/any-case-field.ts";
import { printable } from "../errors.ts";
import { isObject, type JsonObject } from "../oci/json-object.ts";

/** Error bodies are read up to here (crane's limit); a longer one is cut. */
export const ERROR_BODY_BYTES: number = 64 * 1024;
/** ERR-4: of a registry's own words. */
const MESSAGE_CHARACTERS = 300;
/** Errors inside `detail`, or a JSON text inside a message: each level is hostile input too. */
const MAX_NESTING = 4;

/** distribution-spec, "Error Codes", and those that registries sent before it was written. */
const KNOWN_CODES: ReadonlySet<string> = new Set([
  "BLOB_UNKNOWN",
  "BLOB_UPLOAD_INVALID",
  "BLOB_UPLOAD_UNKNOWN",
  "DENIED",
  "DIGEST_INVALID",
  "MANIFEST_BLOB_UNKNOWN",
  "MANIFEST_INVALID",
  "MANIFEST_UNKNOWN",
  "MANIFEST_UNVERIFIED",
  "NAME_INVALID",
  "NAME_UNKNOWN",
  "SIZE_INVALID",
  "TAG_INVALID",
  "TOOMANYREQUESTS",
  "UNAUTHORIZED",
  "UNAVAILABLE",
  "UNSUPPORTED",
]);

export interface RegistrySaid {
  /** The first code of distribution-spec, upper case; of nested errors the innermost. */
  readonly code: string | undefined;
  /** One line, no control characters, at most 300 characters; empty when nothing fit to show was there. */
  readonly message: string;
  /** The code was found inside the `detail` of another error: a cache that passes its upstream's refusal on. */
  readonly nested: boolean;
}

/**
 * What an error body says: the OCI form, docker's older members, Azure's, XML of an object store, or plain text
 * (registry-cases ERR-2 … ERR-4). The Content-Type is not looked at, since it is wrong too often. Never throws.
 */
export function parseErrorBody(body: Uint8Array): RegistrySaid {
  const text = new TextDecoder().decode(body.subarray(0, ERROR_BODY_BYTES)).trim();
  const parsed = parseJson(text);
  if (isObject(parsed)) return fromJson(parsed, 0);
  const words = parsed === undefined ? fromMarkup(text) : "";
  return { code: undefined, message: words, nested: false };
}

/** Whether a body is a page for people rather than an answer for us. */
export function looksLikeHtml(body: Uint8Array): boolean {
  const start = new TextDecoder("latin1").decode(body.subarray(0, 1024));
  // XHTML has its prolog first, and front ends put comments before their pages.
  const page = start.replace(
    /^(?:\u00ef\u00bb\u00bf)?\s*(?:(?:<\?xml[^>]*\?>|<!--.*?-->)\s*)*/s,
    "",
  );
  return /^<(!doctype html|html|head|body)\b/i.test(page);
}

/** One line that may go to a terminal. The query of a link is left out: a signed URL is a secret (ERR-1). */
export function sanitised(text: string): string {
  const oneLine = text.replaceAll(/\s+/g, " ").trim();
  const unsigned = oneLine.replaceAll(/(\bhttps?:\/\/[^\s?#"<>]*)\?[^\s"<>]*/gi, "$1?…");
  return printable(unsigned, MESSAGE_CHARACTERS);
}

interface OneError {
  readonly code: string;
  readonly message: string;
  readonly detail: unknown;
}

function fromJson(body: JsonObject, depth: number): RegistrySaid {
  const errors = errorsOf(body["errors"]);
  if (errors.length === 0) {
    const message = ["message", "error_description", "details", "error", "detail", "title"]
      .map((member) => wordsOf(fieldOf(body, member)))
      .find((text) => text !== "");
    return { code: undefined, message: sanitised(message ?? ""), nested: false };
  }
  for (const error of errors) {
    const inner = depth < MAX_NESTING ? innerErrors(error, depth) : undefined;
    if (inner?.code !== undefined) return inner;
  }
  const known = errors.find(({ code }) => KNOWN_CODES.has(code));
  if (known !== undefined) {
    const message = sanitised(known.message || known.code);
    return { code: known.code, message, nested: depth > 0 };
  }
  const words = [errors[0]?.code, errors[0]?.message].filter((part) => part !== "");
  return { code: undefined, message: sanitised(words.join(": ")), nested: depth > 0 };
}

/** A cache's UNKNOWN with the upstream's errors in `detail`, or an error whose message is itself a JSON text. */
function innerErrors(error: OneError, depth: number): RegistrySaid | undefined {
  if (!KNOWN_CODES.has(error.code) && isObject(error.detail)) {
    return fromJson(error.detail, depth + 1);
  }
  const wrapped = error.message.startsWith("{") ? parseJson(error.message) : undefined;
  if (!isObject(wrapped)) return undefined;
  return { ...fromJson(wrapped, depth + 1), nested: depth > 0 };
}

function errorsOf(value: unknown): readonly OneError[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isObject).map((error) => ({
    code: textOf(error["code"]).toUpperCase(),
    message: textOf(error["message"]),
    detail: error["detail"],
  }));
}

/** The title of an HTML page, the code and message of an object store's XML, or the text as it is (ERR-4). */
function fromMarkup(text: string): string {
  const xmlMessage = /<Message>([^<]*)<\/Message>/.exec(text)?.[1];
  const xmlCode = /<Code>([^<]*)<\/Code>/.exec(text)?.[1];
  if (xmlMessage !== undefined || xmlCode !== undefined) {
    return sanitised([xmlCode, xmlMessage].filter((part) => part !== undefined).join(": "));
  }
  if (!text.startsWith("<")) return sanitised(text);
  const title = /<title[^>]*>([^<]*)<\/title>/i.exec(text)?.[1]?.trim() ?? "";
  return title === "" ? "an HTML page" : sanitised(title);
}

function parseJson(text: string): unknown {
  if (!text.startsWith("{")) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A text, or Google's and Azure's `{ "code", "message" }` in its place. */
function wordsOf(value: unknown): string {
  return isObject(value) ? textOf(value["message"]) : textOf(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
