import { sanitised } from "./error-body.ts";
import type { HttpAnswer } from "./http-exchange.ts";

/** Of one import, whoever sends them (registry-cases CONN-7). */
const MOST_WARNINGS = 3;
const MOST_BYTES = 4096;
/** Code 299, no agent, a quoted text: the only form of distribution-spec 1.1, "Warnings"; others are not for us. */
const WARNING = /299 - "((?:[^"\\]|\\[^])*)"/g;

export interface RegistryWarning {
  readonly code: string;
  readonly message: string;
}

/** What registries want people to know: shown once per text, made fit to show, and never acted on. */
export class RegistryWarnings {
  readonly #onWarning: (warning: RegistryWarning) => void;
  readonly #texts = new Set<string>();
  #bytesLeft = MOST_BYTES;

  constructor(onWarning: (warning: RegistryWarning) => void) {
    this.#onWarning = onWarning;
  }

  /** @param host for the message: who says it */
  take({ headers }: Pick<HttpAnswer, "headers">, host: string): void {
    const { warning: lines } = headers;
    if (lines === undefined) return;
    for (const line of typeof lines === "string" ? [lines] : lines) {
      for (const [, quoted = ""] of line.matchAll(WARNING)) {
        this.#show(quoted.replaceAll(/\\([^])/g, "$1"), host);
      }
    }
  }

  #show(said: string, host: string): void {
    const text = sanitised(said);
    if (text === "" || this.#texts.has(text) || this.#texts.size >= MOST_WARNINGS) return;
    const bytes = Buffer.byteLength(said);
    if (bytes > this.#bytesLeft) return;
    this.#bytesLeft -= bytes;
    this.#texts.add(text);
    this.#onWarning({ code: "registry_warning", message: `${host} says: "${text}"` });
  }
}
