import type { JsonObject } from "../oci/json-object.ts";

/**
 * A member of a JSON object by its name in any case, the exact one first: so Go reads the files and answers that it wrote, and
 * people and scripts write `Auths` or `secret` because it does.
 */
export function fieldOf(object: JsonObject, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name];
  const key = Object.keys(object).find((one) => one.toLowerCase() === name.toLowerCase());
  return key === undefined ? undefined : object[key];
}
