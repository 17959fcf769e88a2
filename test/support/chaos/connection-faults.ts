import type { ErrorCode } from "../../../src/errors.ts";
import type { ConnectionMisbehaviour } from "../test-registry/faults.ts";
import type { ConnectionRow, FaultFacts, FaultRow } from "./fault-rows.ts";

type Row = Omit<ConnectionRow, "on">;

const NETWORK: readonly ErrorCode[] = ["ERR_NETWORK"];
const TLS: readonly ErrorCode[] = ["ERR_TLS"];
const HOWS = ["close", "reset"] as const;

function impostor(
  name: string,
  which: keyof FaultFacts["certificates"],
): Pick<Row, "name" | "codes" | "survives" | "make"> {
  return {
    name,
    codes: TLS,
    survives: false,
    make: ({ certificates }): ConnectionMisbehaviour => ({
      kind: "certificate",
      certificate: certificates[which],
    }),
  };
}

const ROWS: readonly Row[] = [
  {
    name: "closed before the handshake",
    codes: NETWORK,
    survives: true,
    make: () => ({ kind: "hang-up", how: "close" }),
  },
  {
    name: "reset before the handshake",
    codes: NETWORK,
    survives: true,
    make: () => ({ kind: "hang-up", how: "reset" }),
  },
  { name: "no handshake", codes: ["ERR_TIMEOUT"], survives: true, make: () => ({ kind: "mute" }) },
  {
    name: "plain http for a handshake",
    codes: TLS,
    survives: false,
    make: () => ({
      kind: "speak",
      bytes: Buffer.from("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nplain http"),
    }),
  },
  {
    name: "garbage for a handshake",
    codes: TLS,
    survives: false,
    // No version of TLS: one would promise a record, and its end be a break.
    make: ({ random }) => ({
      kind: "speak",
      bytes: Buffer.from([0x80, 0x7f, ...random.bytes(60)]),
    }),
  },
  {
    name: "cut in the handshake",
    codes: NETWORK,
    survives: true,
    make: ({ random }) => ({
      kind: "cut",
      afterBytes: 1 + random.below(600),
      how: random.pick(HOWS),
    }),
  },
  {
    name: "cut below TLS, in an answer",
    codes: NETWORK,
    survives: true,
    make: ({ random }) => ({
      kind: "cut",
      afterBytes: 1500 + random.skewedBelow(60_000),
      how: random.pick(HOWS),
    }),
  },
  impostor("a certificate for another host", "otherHost"),
  impostor("a certificate that has expired", "expired"),
  impostor("a certificate of an unknown authority", "unknown"),
];

/** Below HTTP. The second origin is not the registry: on loopback its certificate is not looked at. */
export const CONNECTION_FAULTS: readonly FaultRow[] = [
  ...ROWS.map((row): FaultRow => Object.assign({ on: "registry connection" } as const, row)),
  ...ROWS.map(({ name, codes, survives, make }): FaultRow => ({
    name,
    on: "cdn connection",
    codes: codes === TLS ? ["ERR_TLS", "ERR_REGISTRY_UNAVAILABLE"] : codes,
    survives,
    make,
  })),
  { name: "connections refused", on: "listener", codes: NETWORK, survives: false },
];
