import { answerFailure, readErrorBody } from "./answer-verdict.ts";
import type { BlobPlace, BlobRequest } from "./blob-stream.ts";
import type { FollowedAnswer, Sender } from "./follow-redirects.ts";

/** The registry may redirect to links that are refused at once; after so many it is asked every time. */
const MOST_REFUSALS = 2;

/**
 * Where the chunks of one blob are asked for. A redirect is followed once, and its target used again for the others, without
 * the registry's credentials; when it is refused, the registry is asked for a new one, by one for all (registry-cases BLOB-6).
 */
export class ChunkLink {
  readonly #sender: Sender;
  readonly #viaRegistry: BlobPlace;
  readonly #what: string;
  /** The last answer through the registry. */
  #last: Omit<FollowedAnswer, "answer"> | undefined;
  #refused = true;
  #refusals = 0;
  #renewing: Promise<unknown> | undefined;

  constructor(sender: Sender, viaRegistry: BlobPlace, what: string) {
    this.#sender = sender;
    this.#viaRegistry = viaRegistry;
    this.#what = what;
  }

  /** Who sends the blob's bytes; `undefined` before the first answer. */
  get host(): string | undefined {
    return this.#last?.target.host;
  }

  /** A request through the registry, which is also how the first stream is opened. */
  readonly viaRegistry: BlobPlace = async (request) => {
    const followed = await this.#viaRegistry(request);
    const { target, hops, hosts } = followed;
    this.#last = { target, hops, hosts };
    this.#refused = false;
    return followed;
  };

  /** @throws as a `BlobPlace` */
  async request(request: BlobRequest): Promise<FollowedAnswer> {
    for (let tries = 0; tries < MOST_REFUSALS; tries += 1) {
      const link = this.#last;
      if (link === undefined || link.hops === 0 || this.#refusals >= MOST_REFUSALS) break;
      if (this.#refused) {
        if (this.#renewing === undefined) return this.#renew(request);
        await settledOrAborted(this.#renewing, request.signal);
        continue;
      }
      const answer = await this.#direct(link, request);
      if (answer !== undefined) return answer;
    }
    return this.viaRegistry({ ...request, extra: true });
  }

  /** Others wait for the link that this request is given. */
  async #renew(request: BlobRequest): Promise<FollowedAnswer> {
    const renewal = this.viaRegistry({ ...request, extra: true });
    this.#renewing = renewal;
    try {
      return await renewal;
    } finally {
      this.#renewing = undefined;
    }
  }

  /** @returns `undefined`: the link is not, or no longer, good */
  async #direct(
    link: Omit<FollowedAnswer, "answer">,
    { headers, signal }: BlobRequest,
  ): Promise<FollowedAnswer | undefined> {
    const { transport, retries, reference } = this.#sender;
    await retries.whenFree(link.target.host, signal);
    const answer = await transport.send({
      target: link.target,
      method: "GET",
      headers: { "accept-encoding": "identity", ...headers },
      lane: "blob",
      host: link.hosts,
      what: this.#what,
      signal,
    });
    const { status } = answer;
    const followed = { ...link, answer };
    if (status === 200 || status === 206 || status === 416) {
      this.#refusals = 0;
      return followed;
    }
    if (status >= 300 && status < 500 && ![404, 429].includes(status)) {
      answer.body.cancel();
      if (this.#last === link && !this.#refused) {
        this.#refused = true;
        this.#refusals += 1;
      }
      return undefined;
    }
    const body = await readErrorBody(answer);
    const asked = { method: "GET", kind: "blob", sent: "redirected", secrets: [] } as const;
    throw answerFailure(followed, { ...asked, what: this.#what, reference }, body, retries);
  }
}

/** Whether it succeeded is for those to find out who waited. */
function settledOrAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      signal.removeEventListener("abort", end);
      resolve();
    };
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    promise.then(end, end);
  });
}
