import { ImportError } from "../errors.ts";
import type { Digest } from "../oci/digest.ts";
import type { BlobPlace, BlobRequest } from "./blob-stream.ts";
import type { AnsweringMirror, FollowedAnswer } from "./follow-redirects.ts";
import type { RegistryConnection } from "./registry-request.ts";
import { sendToRegistry } from "./registry-request.ts";
import { RequestFailure } from "./request-failure.ts";
import { RetryPlan } from "./retry-plan.ts";

/** What is asked for: what a tag names, or what has a digest. */
export type Need = "tag" | "digest";

/** One host of the route, in its order. */
export interface RouteHost {
  readonly connection: RegistryConnection;
  readonly byTag: boolean;
  readonly byDigest: boolean;
}

export interface RouteWarning {
  readonly code: string;
  readonly message: string;
}

interface RouteState extends RouteHost {
  /** What it failed with last. */
  failure: Error | undefined;
  /** Not asked again in this import. */
  dropped: boolean;
  askedForBlob: boolean;
}

/**
 * The hosts that one import may ask, in order, the registry last: here, and nowhere else, it is decided who is asked, and who is
 * next (registry-cases MIR-4, MIR-5). A mirror that fails is dropped for the rest of the import, unless it only lacks what was asked for.
 * Patience is a matter of the connections: a mirror's has two tries.
 */
export class HostRoute {
  readonly #hosts: readonly RouteState[];
  readonly #onWarning: (warning: RouteWarning) => void;
  /** Digest → the hosts whose bytes of it the consumer was given, as far as they are not told to be wrong. */
  readonly #senders = new Map<string, Set<RouteState>>();

  constructor(hosts: readonly RouteHost[], onWarning: (warning: RouteWarning) => void) {
    this.#hosts = hosts.map((host) => ({
      ...host,
      failure: undefined,
      dropped: false,
      askedForBlob: false,
    }));
    this.#onWarning = onWarning;
  }

  /**
   * Asks one host after the other.
   * @param ask fails with an ImportError when the host's tries are used up; `isLast`: nobody follows
   * @throws ImportError the last host's, with the mirrors' in the same line
   */
  async ask<T>(
    need: Need,
    signal: AbortSignal,
    ask: (connection: RegistryConnection, isLast: boolean) => Promise<T>,
  ): Promise<T> {
    const asked = new Set<RouteState>();
    for (;;) {
      const { host, isLast } = this.#next(need, asked);
      try {
        return await ask(host.connection, isLast);
      } catch (error) {
        if (signal.aborted || isFinal(error)) throw error;
        if (isLast) throw this.lastWord(error);
        asked.add(host);
        this.#failed(host, error);
      }
    }
  }

  /**
   * Where a blob is had: each request goes to the first host that is left. Mirrors fail in here; the last host's failures are
   * the caller's, whose patience it has.
   */
  blobPlace(digest: Digest, what: string): BlobPlace {
    const gone = new Set<RouteState>();
    const plans = new Map<RouteState, RetryPlan>();
    const planOf = (host: RouteState): RetryPlan => {
      const plan = plans.get(host) ?? new RetryPlan(host.connection.sender.retries, what);
      plans.set(host, plan);
      return plan;
    };
    const giveUpOrWait = async (
      host: RouteState,
      error: unknown,
      signal: AbortSignal,
    ): Promise<void> => {
      try {
        if (!(error instanceof RequestFailure)) throw error;
        await planOf(host).next(error, signal);
      } catch (final) {
        if (signal.aborted || isFinal(final)) throw final;
        gone.add(host);
        this.#failed(host, final);
      }
    };
    return async (request) => {
      for (;;) {
        const { host, isLast } = this.#next("digest", gone);
        try {
          const followed = await send(host, { digest, what, request });
          this.#sent(digest, host);
          if (isLast) return followed;
          const mirror: AnsweringMirror = {
            progressed: () => planOf(host).progressed(),
            broke: (failure, signal) => giveUpOrWait(host, failure, signal),
          };
          return { ...followed, mirror };
        } catch (error) {
          if (isLast || request.extra === true) throw error;
          await giveUpOrWait(host, error, request.signal);
        }
      }
    };
  }

  /** The bytes of a blob were wrong: the mirrors that sent them are dropped. */
  accuse(digest: Digest, what: string): void {
    for (const host of this.#senders.get(digest.text) ?? []) {
      if (host === this.#last("digest")) continue;
      const message = `${host.connection.registry} sent bytes that do not have their digest or cannot be used, for ${what}`;
      this.#failed(host, new ImportError("ERR_DIGEST_MISMATCH", message));
    }
    this.#senders.delete(digest.text);
  }

  /** Whether a mirror sent bytes of this blob: if they are wrong, somebody else may have the right ones. */
  wasMirrored(digest: Digest): boolean {
    const senders = [...(this.#senders.get(digest.text) ?? [])];
    return senders.some((host) => host !== this.#last("digest"));
  }

  /** The registry's own error, and in the same line what became of the mirrors (MIR-4). */
  lastWord<T>(error: T): T | ImportError {
    if (!(error instanceof ImportError) || isFinal(error)) return error;
    const mirrors = this.#hosts.slice(0, -1).flatMap(failureLine);
    if (mirrors.length === 0) return error;
    const message = `${error.message}; before it, mirrors failed: ${mirrors.join("; ")}`;
    return new ImportError(error.code, message, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      details: error.details,
      cause: error.cause,
    });
  }

  #next(
    need: Need,
    except: ReadonlySet<RouteState>,
  ): { readonly host: RouteState; readonly isLast: boolean } {
    const last = this.#last(need);
    if (last === undefined) {
      throw new ImportError(
        "ERR_CONFIG_INVALID",
        `no host may be asked for what a ${need} names: the mirrors' configuration leaves none`,
        { hint: "Check the capabilities in hosts.toml, those of the server included." },
      );
    }
    const left = this.#hosts.find(
      (host) => isAble(host, need) && !host.dropped && !except.has(host),
    );
    const host = left ?? last;
    return { host, isLast: host === last };
  }

  /** The one that has nobody behind it, and so is asked whatever happened. */
  #last(need: Need): RouteState | undefined {
    return this.#hosts.findLast((host) => isAble(host, need));
  }

  #sent(digest: Digest, host: RouteState): void {
    const senders = this.#senders.get(digest.text) ?? new Set();
    this.#senders.set(digest.text, senders.add(host));
  }

  #failed(host: RouteState, error: unknown): void {
    const failure = error instanceof RequestFailure ? error.error : error;
    const isFirst = host.failure === undefined;
    host.failure = failure instanceof Error ? failure : new Error(String(failure));
    const lacksIt = failure instanceof ImportError && failure.code === "ERR_IMAGE_NOT_FOUND";
    // Another image or blob may be there.
    host.dropped ||= !lacksIt;
    if (!isFirst) return;
    const follows = lacksIt ? "the next host is asked for it" : "it is not asked again";
    this.#onWarning({
      code: "mirror_failed",
      message: `mirror ${host.connection.registry} failed, ${follows}: ${host.failure.message}`,
    });
  }
}

function isAble({ byTag, byDigest }: RouteHost, need: Need): boolean {
  return need === "tag" ? byTag : byDigest;
}

/** Wrong configuration, and what the user wanted, are no mirror's failure. */
function isFinal(error: unknown): boolean {
  const code = error instanceof ImportError ? error.code : undefined;
  return code === "ERR_CONFIG_INVALID" || code === "ERR_CANCELLED";
}

function failureLine({ connection, failure }: RouteState): readonly string[] {
  if (failure === undefined) return [];
  // What was asked for is known, and was perhaps something else.
  const [said = ""] = failure.message.split(/,? for (?:the |layer )/);
  return [said.includes(connection.registry) ? said : `${connection.registry}: ${said}`];
}

async function send(
  host: RouteState,
  order: { readonly digest: Digest; readonly what: string; readonly request: BlobRequest },
): Promise<FollowedAnswer> {
  const { digest, what, request } = order;
  const { connection } = host;
  // Proxy caches fetch from their upstream first (BLOB-10).
  const firstByteMs = host.askedForBlob
    ? undefined
    : connection.sender.retries.timing.firstBlobByteMs;
  host.askedForBlob = true;
  return sendToRegistry(connection, {
    kind: "blob",
    path: `blobs/${digest.text}`,
    headers: request.headers,
    lane: "blob",
    what,
    firstByteMs,
    alsoAccepts: [201, 203, 204, 206, 416],
    signal: request.signal,
  });
}
