import { ImportError } from "../errors.ts";
import { isObject } from "../oci/json-object.ts";
import { fieldOf } from "./any-case-field.ts";
import { conceal } from "./conceal.ts";
import type { Credentials, FoundCredentials } from "./credential-provider.ts";
import { isHeaderValue } from "./header-value.ts";

/** What an entry of `auths`, or a helper, says. */
export interface Login {
  readonly credentials: Credentials;
  /** Also beside an identity token, whose requests do not use it (CRED-6). */
  readonly username?: string;
}

/** Standard base64 with its padding, as Go reads it; line breaks were taken out before. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** @param password `undefined` or empty is no secret, so no login (CRED-5) */
export function passwordLogin(username: string, password: string): Login | undefined {
  if (username === "" || password === "") return undefined;
  const credentials = conceal<Credentials & { readonly kind: "basic" }>(
    { kind: "basic", username, password },
    ...secretFields(username, password),
  );
  return { credentials, username };
}

/** DigitalOcean's logins have the token as the user as well. */
function secretFields(username: string, password: string): ("username" | "password")[] {
  return username === password ? ["username", "password"] : ["password"];
}

/** A login and where it is from. The user is for messages, unless it is the secret itself. */
export function foundLogin({ credentials, username }: Login, origin: string): FoundCredentials {
  if (username === undefined) return { credentials, origin };
  const found = { credentials, username, origin };
  const isSecret = credentials.kind === "basic" && credentials.password === username;
  return isSecret ? conceal(found, "username") : found;
}

/** @param username as it stands beside the token; an empty one is none */
export function identityTokenLogin(token: string, username: string): Login {
  const credentials = conceal<Credentials & { readonly kind: "identity-token" }>(
    { kind: "identity-token", token },
    "token",
  );
  return username === "" ? { credentials } : { credentials, username };
}

/**
 * Reads an entry of `auths` (CRED-5, CRED-6, TOK-13): `registrytoken`, else `identitytoken`, else `auth`, else `username`
 * and `password`.
 *
 * @param where names the entry in messages: `~/.docker/config.json: auths "ghcr.io"`
 * @returns `undefined` when it holds no secret: Docker Desktop leaves `{}` as a mark
 * @throws ImportError ERR_CONFIG_INVALID
 */
export function loginOfEntry(entry: unknown, where: string): Login | undefined {
  if (entry === null) return undefined;
  if (!isObject(entry)) throw invalid(`${where} is no object`);
  const text = (field: string): string => {
    const value = fieldOf(entry, field) ?? "";
    if (typeof value === "string") return value;
    throw invalid(`${where} has a "${field}" that is no string`);
  };
  const registryToken = text("registrytoken");
  if (registryToken !== "") return registryTokenLogin(registryToken, where);
  const auth = text("auth");
  const login =
    auth === "" ? { username: text("username"), password: text("password") } : decodeAuth(auth);
  const identityToken = text("identitytoken");
  if (identityToken !== "") return identityTokenLogin(identityToken, login.username ?? "");
  if (login.username === undefined) throw invalid(`${where} has an "auth" ${login.problem}`);
  return passwordLogin(login.username, login.password);
}

function registryTokenLogin(token: string, where: string): Login {
  if (!isHeaderValue(token)) {
    throw invalid(`${where} has a "registrytoken" with characters that no token may have`);
  }
  const credentials = conceal<Credentials & { readonly kind: "registry-token" }>(
    { kind: "registry-token", token },
    "token",
  );
  return { credentials };
}

type DecodedAuth =
  | { readonly username: string; readonly password: string }
  | { readonly username?: undefined; readonly problem: string };

/** `auth` is base64 of `user:password`; the password keeps its colons, and loses the NULs that padded it. */
function decodeAuth(auth: string): DecodedAuth {
  const packed = auth.replaceAll(/[\r\n]/g, "");
  if (!BASE64.test(packed)) return { problem: "that is not base64" };
  const text = decodeUtf8(Buffer.from(packed, "base64"));
  if (text === undefined) return { problem: "that is not UTF-8" };
  const colon = text.indexOf(":");
  if (colon === -1) return { problem: "without a colon after the user" };
  if (colon === 0) return { problem: "without a user" };
  return { username: text.slice(0, colon), password: withoutPadding(text.slice(colon + 1)) };
}

function withoutPadding(password: string): string {
  let end = password.length;
  while (end > 0 && password[end - 1] === "\0") end -= 1;
  return password.slice(0, end);
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function invalid(message: string): ImportError {
  return new ImportError("ERR_CONFIG_INVALID", message, {
    hint: "Log in again with `docker login`, or remove the entry.",
  });
}
