import type { ErrorCode } from "../../../src/errors.ts";
import type { Random } from "../../fuzz/random.ts";
import type { TestCertificate } from "../self-signed-certificate.ts";
import type {
  ConnectionFault,
  ConnectionMisbehaviour,
  FaultScope,
  Misbehaviour,
} from "../test-registry/faults.ts";

/** What faults are made of in one import. */
export interface FaultFacts {
  readonly random: Random;
  /** What a registry whose token has expired answers with. */
  readonly challenge: string;
  readonly certificates: Readonly<Record<"otherHost" | "expired" | "unknown", TestCertificate>>;
  /** A valid manifest of something else. */
  readonly otherManifest: Uint8Array;
  /** `https://127.0.0.1:1`: nobody listens. */
  readonly closedOrigin: string;
  readonly host: string;
}

interface RowBase {
  readonly name: string;
  /** With which codes an import may fail that met it. None: it is no reason to fail. */
  readonly codes: readonly ErrorCode[];
  /** An import that meets it once, and nothing else, ends well. */
  readonly survives: boolean;
}

/** A fault of an answer. */
export interface AnswerRow extends RowBase {
  readonly on: FaultScope["on"];
  readonly make: (facts: FaultFacts) => Misbehaviour;
  /** Only answers to a Range: the plan sees to it that there is one. */
  readonly ranged?: true;
  /** It challenges: there must be a token server. */
  readonly challenges?: true;
  /** Only noticed where the digest is known beforehand. */
  readonly byDigest?: true;
}

export interface ConnectionRow extends RowBase {
  readonly on: ConnectionFault["on"];
  readonly make: (facts: FaultFacts) => ConnectionMisbehaviour;
}

/** Nobody listens, for a while or for ever. */
export interface RefusalRow extends RowBase {
  readonly on: "listener";
}

export type FaultRow = AnswerRow | ConnectionRow | RefusalRow;

export const EVERYWHERE: readonly FaultScope["on"][] = ["manifest", "blob", "cdn", "token"];
export const CONTENTS: readonly FaultScope["on"][] = ["manifest", "blob", "cdn"];
export const BLOBS: readonly FaultScope["on"][] = ["blob", "cdn"];
/** A captive portal's. */
export const PAGE =
  "<!DOCTYPE html><html><head><title>Log in</title></head><body>portal</body></html>";

/** The same fault of several kinds of answers. */
export function at(
  places: readonly FaultScope["on"][],
  row: Omit<AnswerRow, "on">,
): readonly AnswerRow[] {
  return places.map((on) => Object.assign({ on }, row));
}

export function constant(fault: Misbehaviour): () => Misbehaviour {
  return () => fault;
}
