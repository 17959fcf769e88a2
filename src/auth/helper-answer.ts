import { ImportError, printable } from "../errors.ts";
import { isObject } from "../oci/json-object.ts";
import { fieldOf } from "./any-case-field.ts";
import { identityTokenLogin, passwordLogin, type Login } from "./auth-entry.ts";

/** How a helper says that it has nothing (docker-credential-helpers `credentials/error.go`). */
const NOT_FOUND = "credentials not found in native keychain";
/** The user of an answer whose secret is an identity token. */
const TOKEN_USER = "<token>";

/**
 * Reads the answer of a helper that succeeded: `{"ServerURL","Username","Secret"}` (CRED-7). Names in any case, as Go
 * reads them: some helpers are scripts.
 *
 * @returns `undefined` for an answer without a secret
 * @throws ImportError ERR_CREDENTIAL_HELPER, without a word of what was printed
 */
export function helperAnswer(stdout: string, label: string): Login | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    throw failed(`${label} answered with something that is not JSON`);
  }
  if (!isObject(answer)) throw failed(`${label} answered with JSON that is no object`);
  const text = (name: string): string => {
    const value = fieldOf(answer, name) ?? "";
    if (typeof value === "string") return value;
    throw failed(`${label} answered with JSON whose ${name} is no string`);
  };
  const username = text("Username");
  const secret = text("Secret");
  if (secret === "") return undefined;
  if (username === TOKEN_USER) return identityTokenLogin(secret, "");
  if (username === "")
    throw failed(`${label} answered with JSON that has a Secret, but no Username`);
  return passwordLogin(username, secret);
}

/**
 * What a helper that failed means (CRED-8).
 *
 * @returns `undefined`: it has nothing for this server
 * @throws ImportError ERR_CREDENTIAL_HELPER with the exit code and the first line of stdout, where helpers put their
 *   messages
 */
export function helperFailure(
  stdout: string,
  exit: { readonly status: number | null; readonly killer: string | null },
  label: string,
): undefined {
  const said = stdout.trim();
  if (exit.status !== null && said === NOT_FOUND) return undefined;
  const how =
    exit.status === null
      ? `was ended by ${exit.killer ?? "a signal"}`
      : `failed with exit code ${exit.status}`;
  const line = said.split("\n", 1)[0] ?? "";
  // A helper that fails after it has printed an answer must not put the secret into our message.
  const message = line === "" || /[{}]|"secret"/i.test(line) ? "" : `: ${printable(line, 300)}`;
  throw failed(`${label} ${how}${message}`);
}

function failed(message: string): ImportError {
  return new ImportError("ERR_CREDENTIAL_HELPER", message, {
    hint: "Run the helper by hand to see what it wants, or log in again with `docker login`.",
  });
}
