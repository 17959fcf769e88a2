import { jsonErrorPosition } from "../../auth/json-position.ts";
import { ImportError, printable } from "../../errors.ts";
import { isObject } from "../../oci/json-object.ts";
import type { MirrorUrl } from "./pull-host.ts";
import { parseMirrorUrl } from "./pull-host.ts";

const KEY = "registry-mirrors";

/** The mirrors of Docker Hub in dockerd's `daemon.json`. @throws ImportError ERR_CONFIG_INVALID with file and line */
export function parseDockerDaemonConfig(text: string, path: string): readonly MirrorUrl[] {
  if (text.trim() === "") return [];
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    throw invalid(path, jsonErrorPosition(text).line, "no JSON");
  }
  if (!isObject(config)) throw invalid(path, 1, "no JSON object");
  const mirrors = config[KEY] ?? [];
  if (!Array.isArray(mirrors)) throw invalid(path, lineOf(text, KEY), `${KEY} must be an array`);
  return mirrors.map((mirror: unknown) => {
    const url = typeof mirror === "string" ? parseMirrorUrl(mirror) : "is no string";
    if (typeof url !== "string") return url;
    const line = typeof mirror === "string" ? lineOf(text, mirror) : lineOf(text, KEY);
    throw invalid(path, line, `a mirror ${url}`);
  });
}

/** Where the string stands; the key's line, should it be written with escapes. */
function lineOf(text: string, string: string): number {
  const at = Math.max(text.indexOf(JSON.stringify(string)), text.indexOf(`"${KEY}"`));
  return text.slice(0, Math.max(0, at)).split("\n").length;
}

function invalid(path: string, line: number, why: string): ImportError {
  const where = printable(path);
  return new ImportError("ERR_CONFIG_INVALID", `${where}, line ${line}: ${why}`, {
    hint: "Correct the file, or leave out --use-docker-daemon-config.",
    details: { path: where, line },
  });
}
