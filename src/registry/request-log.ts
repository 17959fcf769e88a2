import type { HttpTarget } from "./http-target.ts";
import { printable } from "../errors.ts";

/** How an exchange ended. */
export interface ExchangeEnd {
  readonly status: number | undefined;
  readonly receivedBytes: number;
  readonly error: Error | undefined;
}

const URL_CHARACTERS = 500;

/** The address of a request without what may be a secret in it. */
export function loggedUrl({ origin, path }: HttpTarget): string {
  const [withoutQuery = "", ...query] = path.split("?");
  return printable(`${origin}${withoutQuery}${query.length > 0 ? "?…" : ""}`, URL_CHARACTERS);
}
