import { isList, isObject, stringifyJson, text, type Json, type JsonObject } from "./case-json.ts";

/** What stands for `${CANARY}` and `{i}` in the texts of a case. */
export interface CaseContext {
  readonly canaryPath: string;
  readonly repetition?: number;
}

/** A string is UTF-8; {"hex"}, {"b64"}, {"fill","count"}, {"join":[…]} give any bytes. */
export function rawBytes(value: Json, context: CaseContext): Buffer {
  if (isObject(value)) return rawObjectBytes(value, context);
  const expanded = text(value).replaceAll("${CANARY}", context.canaryPath);
  return Buffer.from(
    context.repetition === undefined
      ? expanded
      : expanded.replaceAll("{i}", String(context.repetition)),
  );
}

function rawObjectBytes(value: JsonObject, context: CaseContext): Buffer {
  if (value["hex"] !== undefined) return Buffer.from(text(value["hex"]), "hex");
  if (value["b64"] !== undefined) return Buffer.from(text(value["b64"]), "base64");
  if (value["fill"] !== undefined) {
    const unit = rawBytes(value["fill"], context);
    return Buffer.alloc(unit.length * Number(value["count"]), unit);
  }
  if (isList(value["join"])) {
    return Buffer.concat(value["join"].map((part) => rawBytes(part, context)));
  }
  throw new Error(`unknown byte value ${stringifyJson(value)}`);
}

/** `path` or `pathB64`, `linkname` or `linknameB64`; empty when neither is there. */
export function nameBytes(entry: JsonObject, key: string, context: CaseContext): Buffer {
  const encoded = entry[`${key}B64`];
  if (encoded !== undefined) return Buffer.from(text(encoded), "base64");
  return rawBytes(entry[key] ?? "", context);
}

/** `content`, `contentB64`, or `size` times `fill`. */
export function bodyBytes(entry: JsonObject, context: CaseContext): Buffer {
  if (entry["contentB64"] !== undefined) return Buffer.from(text(entry["contentB64"]), "base64");
  if (entry["content"] !== undefined) return rawBytes(entry["content"], context);
  if (entry["size"] === undefined) return Buffer.alloc(0);
  return rawBytes({ fill: entry["fill"] ?? "\0", count: entry["size"] }, context);
}
