import { basicAuthorization } from "../../../src/auth/token-request.ts";
import { chooseProxy } from "../../../src/registry/choose-proxy.ts";
import {
  compareError,
  compareFields,
  expectedErrorOf,
  isObject,
  textOf,
  type JsonObject,
} from "./expect-row.ts";
import type { TableRunner } from "./table-runner.ts";

/** `proxies.json`: environment and URL → proxy. */
export const tableRunner: TableRunner = { run: async (row) => runRow(row) };

function runRow(row: JsonObject): string | undefined {
  const expectedError = expectedErrorOf(row);
  let choice: ReturnType<typeof chooseProxy>;
  try {
    choice = chooseProxy(textOf(row, "url"), environmentOf(row["env"]));
  } catch (error) {
    if (expectedError !== undefined) return compareError(error, expectedError);
    throw error;
  }
  if (expectedError !== undefined) {
    return `expected ${expectedError.code}, got the proxy ${choice?.origin ?? "none"}`;
  }
  const expected = isObject(row["expect"]) ? row["expect"]["proxy"] : undefined;
  if (expected === null) {
    return choice === undefined ? undefined : `expected no proxy, got ${choice.origin}`;
  }
  if (typeof expected !== "string") return "the row's `expect.proxy` is no string and not null";
  if (choice === undefined) return `expected ${expected}, got no proxy`;
  return compareFields(
    { origin: choice.origin, authorization: choice.authorization },
    proxyParts(new URL(expected)),
  );
}

/** What an expected proxy URL means: where to connect, and the percent-decoded login to show. */
function proxyParts(url: URL): JsonObject {
  if (url.username === "" && url.password === "") {
    return { origin: url.origin, authorization: undefined };
  }
  const login = {
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
  return { origin: url.origin, authorization: basicAuthorization(login) };
}

function environmentOf(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) throw new Error("the row's `env` is no object");
  return Object.fromEntries(Object.keys(value).map((name) => [name, textOf(value, name)]));
}
