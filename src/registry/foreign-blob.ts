import { hostClass } from "../auth/host-class.ts";
import { ImportError, printable } from "../errors.ts";
import { answerFailure, readErrorBody } from "./answer-verdict.ts";
import type { BlobPlace } from "./blob-stream.ts";
import type { Sender } from "./follow-redirects.ts";
import { followRedirects } from "./follow-redirects.ts";
import type { HttpTarget } from "./http-target.ts";
import { parseTarget } from "./http-target.ts";
import { isPrivateAddress } from "./private-address.ts";

export interface ForeignFacts {
  /** From the manifest, so from whoever made the image. */
  readonly url: string;
  /** Host name of the registry: what is on its own machine may name that machine. */
  readonly registryHostname: string;
  readonly what: string;
  readonly reference: string;
}

/**
 * A layer that its manifest says is elsewhere (`urls`): never our credentials, never an address inside our network,
 * redirects neither (registry-cases LAY-1).
 */
export function foreignPlace(sender: Sender, facts: ForeignFacts): BlobPlace {
  return async ({ headers, signal }) => {
    const first = parseTarget(facts.url);
    if (typeof first === "string") throw refused(facts, `its address is unusable (${first})`);
    checkForeign(first, facts);
    const followed = await followRedirects(sender, {
      first,
      method: "GET",
      headers: { "accept-encoding": "identity", ...headers },
      lane: "blob",
      what: facts.what,
      signal,
      authorizationFor: () => undefined,
      checkTarget: (target) => checkForeign(target, facts),
    });
    if ([200, 206, 416].includes(followed.answer.status)) return followed;
    const body = await readErrorBody(followed.answer);
    const asked = { method: "GET", kind: "blob", sent: "none", secrets: [] } as const;
    throw answerFailure(followed, { ...asked, ...facts }, body, sender.retries);
  };
}

/** Attack: an image whose layer is "at" http://169.254.169.254/ or http://10.0.0.1/ asks from inside our network. */
function checkForeign(target: HttpTarget, facts: ForeignFacts): void {
  const place = hostClass(target.hostname);
  const near = place !== "other" && place !== hostClass(facts.registryHostname);
  if (near || isPrivateAddress(target.hostname)) {
    throw refused(facts, `${target.host} is an address inside this network`);
  }
}

function refused(facts: ForeignFacts, why: string): ImportError {
  return new ImportError(
    "ERR_REDIRECT_REFUSED",
    `${facts.what} names a place that is not asked: ${printable(why)}`,
    {
      hint: "The image wants a layer from elsewhere (`urls`); ask its publisher for one that is complete in the registry.",
      details: { reference: facts.reference },
    },
  );
}
