import { conceal } from "../../auth/conceal.ts";
import { isHeaderValue } from "../../auth/header-value.ts";
import { printable } from "../../errors.ts";
import type { MirrorUrl } from "./pull-host.ts";
import { parseMirrorUrl } from "./pull-host.ts";
import type { TomlTable } from "./toml-file.ts";
import {
  flagIn,
  invalidAt,
  namedTablesIn,
  parseTomlFile,
  tableIn,
  textIn,
  textsIn,
} from "./toml-file.ts";

/** One host of containerd's `hosts.toml` (containerd docs/hosts.md). */
export interface HostsTomlEntry {
  readonly table: TomlTable;
  /** `undefined` only of the server: the registry itself. */
  readonly url: MirrorUrl | undefined;
  readonly overridePath: boolean;
  readonly pulls: boolean;
  readonly resolves: boolean;
  readonly skipVerify: boolean;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** As written: relative ones are meant from the folder of the file. */
  readonly authorityPaths: readonly string[];
  /** Certificate and key; the same file where one holds both. */
  readonly clientPaths: readonly (readonly [string, string])[];
}

export interface HostsToml {
  /** In the order of the file. */
  readonly hosts: readonly HostsTomlEntry[];
  readonly server: HostsTomlEntry;
}

const CAPABILITIES = ["pull", "resolve", "push"];
/** What HTTP itself needs, and what would change the meaning of our requests. */
const OWN_HEADERS =
  /^(?:host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-.*|range|accept-encoding|proxy-.*)$/;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/** @throws ImportError ERR_CONFIG_INVALID with file and line */
export function parseHostsToml(text: string, path: string): HostsToml {
  const root = parseTomlFile(text, path);
  const server = textIn(root, "server") ?? "";
  return {
    hosts: namedTablesIn(root, "host").map(([name, table]) =>
      entryOf(
        table,
        urlOf(name, (why) => invalidAt(table, undefined, `the host ${why}`)),
      ),
    ),
    server: entryOf(
      root,
      server === ""
        ? undefined
        : urlOf(server, (why) => invalidAt(root, "server", `server ${why}`)),
    ),
  };
}

function urlOf(text: string, invalid: (why: string) => Error): MirrorUrl {
  const url = parseMirrorUrl(/^[^/]*:\/\//.test(text) ? text : `https://${text}`);
  if (typeof url === "string") throw invalid(url);
  return url;
}

function entryOf(table: TomlTable, url: MirrorUrl | undefined): HostsTomlEntry {
  const capabilities = (textsIn(table, "capabilities") ?? []).map((name) => name.toLowerCase());
  const unknown = capabilities.find((name) => !CAPABILITIES.includes(name));
  if (unknown !== undefined) {
    const known = CAPABILITIES.join(", ");
    throw invalidAt(table, "capabilities", `"${printable(unknown)}" is none of ${known}`);
  }
  // containerd: none is all.
  const can = (name: string): boolean => capabilities.length === 0 || capabilities.includes(name);
  const entry: HostsTomlEntry = {
    table,
    url,
    overridePath: flagIn(table, "override_path") ?? false,
    pulls: can("pull"),
    resolves: can("resolve"),
    skipVerify: flagIn(table, "skip_verify") ?? false,
    headers: headersIn(table),
    authorityPaths: textsIn(table, "ca") ?? [],
    clientPaths: clientPathsIn(table),
  };
  return conceal(entry, "headers", "table");
}

/** `header = { name = "value" }`, or several values. No value comes back in a message. */
function headersIn(table: TomlTable): Readonly<Record<string, string>> {
  const header = tableIn(table, "header");
  if (header === undefined) return {};
  const pairs = Object.keys(header.values).map((key) => {
    const name = key.toLowerCase();
    if (!HEADER_NAME.test(name)) throw invalidAt(header, key, "a header's name is malformed");
    if (OWN_HEADERS.test(name)) {
      throw invalidAt(header, key, `the header ${printable(key)} cannot be set`);
    }
    const value = (textsIn(header, key) ?? []).join(", ");
    if (isHeaderValue(value)) return [name, value] as const;
    throw invalidAt(header, key, `the value of the header ${printable(key)} is malformed`);
  });
  return Object.fromEntries(pairs);
}

/** `"both.pem"`, `["both.pem", …]` or `[["cert.pem", "key.pem"], …]`. */
function clientPathsIn(table: TomlTable): readonly (readonly [string, string])[] {
  const value = table.values["client"];
  if (value === undefined) return [];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    const files: readonly unknown[] = Array.isArray(item) ? item : [item];
    const [certificate, key = certificate] = files;
    const isPair = typeof certificate === "string" && typeof key === "string" && files.length <= 2;
    if (isPair) return [certificate, key] as const;
    throw invalidAt(
      table,
      "client",
      "client must be a file, files, or pairs of certificate and key",
    );
  });
}
