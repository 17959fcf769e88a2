import { hostClass } from "../auth/host-class.ts";
import { ImportError } from "../errors.ts";
import type { HttpTarget, TargetProblem } from "./http-target.ts";
import { resolveTarget } from "./http-target.ts";

/** Go's default, and so docker's and containerd's (RED-1). */
export const MAX_REDIRECTS = 10;

export interface RedirectStep {
  /** The first request of the chain: what the user trusts. */
  readonly registry: HttpTarget;
  /** The request that was answered with a redirect. */
  readonly from: HttpTarget;
  readonly location: string | undefined;
  /** Redirects followed before this one. */
  readonly hops: number;
  /** The user gave up certificate checks, so a plain target loses nothing. */
  readonly insecure: boolean;
}

export function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/**
 * Where a redirect leads, if it may be followed (registry-cases RED-1, RED-4). No message holds the target's query:
 * a signed URL is a bearer secret.
 *
 * @throws ImportError ERR_REDIRECT_REFUSED, ERR_REGISTRY_PROTOCOL (no usable Location)
 */
export function redirectTarget(step: RedirectStep): HttpTarget {
  const { from } = step;
  if (step.hops >= MAX_REDIRECTS) {
    throw refused(from, `more than ${MAX_REDIRECTS} redirects in a row`);
  }
  const target = step.location === undefined ? "unreadable" : resolveTarget(from, step.location);
  if (typeof target === "string") throw unusable(from, target);
  if (from.scheme === "https" && target.scheme === "http" && !step.insecure) {
    throw refused(from, `a redirect from https to plain http (${target.host})`);
  }
  // Attack: a registry that sends us to 169.254.169.254 or 127.0.0.1 makes us its hands inside this machine's network.
  const targetClass = hostClass(target.hostname);
  if (targetClass !== "other" && targetClass !== hostClass(step.registry.hostname)) {
    throw refused(from, `a redirect to the local address ${target.host}`);
  }
  return target;
}

function unusable(from: HttpTarget, problem: TargetProblem): ImportError {
  if (problem === "user info") return refused(from, "a redirect with a user name in its target");
  if (problem === "scheme")
    return refused(from, "a redirect to something other than http or https");
  return new ImportError(
    "ERR_REGISTRY_PROTOCOL",
    `${from.host} sent a redirect without a usable Location header`,
    {
      hint: "Try again later, or ask the registry's operator.",
      details: { host: from.host },
    },
  );
}

function refused(from: HttpTarget, what: string): ImportError {
  return new ImportError("ERR_REDIRECT_REFUSED", `${from.host} sent ${what}; it is not followed`, {
    hint: "Ask the registry's operator; if you trust the network in between, --insecure allows redirects to plain http.",
    details: { host: from.host },
  });
}
