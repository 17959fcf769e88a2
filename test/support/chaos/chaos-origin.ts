import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { hostClass } from "../../../src/auth/host-class.ts";
import { Random } from "../../fuzz/random.ts";
import { selfSignedCertificate, type TestCertificate } from "../self-signed-certificate.ts";
import type { ConnectionFault, Fault } from "../test-registry/faults.ts";
import type { RegistryContent, TestRegistry } from "../test-registry/test-registry.ts";
import { startTestRegistry } from "../test-registry/test-registry.ts";
import { REPOSITORY } from "./chaos-images.ts";
import { LOGIN, type ChaosPlan, type PlannedFault } from "./chaos-plan.ts";
import type { AnswerRow, ConnectionRow, FaultFacts } from "./fault-rows.ts";

const LOOPBACK = "127.0.0.1";
const DAY_MS = 86_400_000;
/** Below the range that the kernel takes ports from, so that nobody gets one while connections to it are refused. */
const PORTS = { first: 20_000, count: 12_000 };

/** What all registries of a run have in common. */
export interface ChaosGround {
  readonly content: RegistryContent;
  readonly certificate: TestCertificate;
  readonly impostors: FaultFacts["certificates"];
  /** HOME of the imports: `certs.d` is in there. */
  readonly homePath: string;
  readonly authorityPath: string;
  readonly otherManifest: Uint8Array;
  /** `undefined`: the machine has nothing but loopback. */
  readonly ownAddress: string | undefined;
  readonly nextPort: () => number;
}

export function prepareGround(content: RegistryContent, homePath: string): ChaosGround {
  const ownAddress = machineAddress();
  const names = [LOOPBACK, "localhost", ...(ownAddress === undefined ? [] : [ownAddress])];
  const certificate = selfSignedCertificate({ names });
  const authorityPath = join(homePath, "authority.pem");
  writeFileSync(authorityPath, certificate.certificatePem);
  let taken = process.pid % PORTS.count;
  return {
    content,
    certificate,
    impostors: {
      otherHost: selfSignedCertificate({ names: ["elsewhere.example.com"] }),
      expired: selfSignedCertificate({ names, notAfter: new Date(Date.now() - DAY_MS / 2) }),
      unknown: selfSignedCertificate({ names }),
    },
    homePath,
    authorityPath,
    otherManifest: content.manifests.find(REPOSITORY, "plain")?.bytes ?? new Uint8Array(),
    ownAddress,
    nextPort: () => {
      taken = (taken + 1) % PORTS.count;
      return PORTS.first + taken;
    },
  };
}

function machineAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.find(
    ({ internal, family, address }) =>
      !internal && family === "IPv4" && hostClass(address) === "other",
  )?.address;
}

/** The registry of one import, its second origin, its token server, and maybe a mirror; all over TLS. */
export interface ChaosOrigin {
  readonly host: string;
  readonly mirrorUrl: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** Each planned fault, and how often it was met. */
  met(): readonly (PlannedFault & { readonly count: number })[];
  violations(): readonly string[];
  openAnswers(): number;
  /** From now on nothing goes wrong. */
  calm(): Promise<void>;
  close(): Promise<void>;
}

export async function startChaosOrigin(plan: ChaosPlan, ground: ChaosGround): Promise<ChaosOrigin> {
  const address = (plan.offLoopback ? ground.ownAddress : undefined) ?? LOOPBACK;
  const registry = await startOnFreePort(ground, {
    address,
    auth: plan.auth,
    redirectBlobs: plan.redirectBlobs,
    ...(plan.linkUses === undefined ? {} : { linkUses: plan.linkUses }),
    ...(plan.bytesPerSecond === undefined ? {} : { bytesPerSecond: plan.bytesPerSecond }),
  });
  const mirror = plan.hasMirror
    ? await startOnFreePort(ground, { address, redirectBlobs: plan.redirectBlobs })
    : undefined;
  const servers = [registry, ...(mirror === undefined ? [] : [mirror])];
  const folders = servers.map(({ host }) => trustAt(ground, host));
  const refusal = plan.faults.find(({ row }) => row.on === "listener");
  const faults = addFaults(plan, ground, { registry, mirror });
  const timer = refusal && refuseFor(registry, plan.refusedMs);
  const login = {
    ROOTLIFT_USERNAME: LOGIN.user,
    ROOTLIFT_PASSWORD: LOGIN.password,
  };
  return {
    host: registry.host,
    mirrorUrl: mirror?.url,
    env: {
      HOME: ground.homePath,
      SSL_CERT_FILE: ground.authorityPath,
      ...("users" in plan.auth ? login : {}),
    },
    met: () =>
      plan.faults.map((planned) => ({
        ...planned,
        count: planned === refusal ? 1 : (faults.get(planned)?.() ?? 0),
      })),
    violations: () => servers.flatMap(({ violations }) => violations),
    openAnswers: () => servers.reduce((sum, { openAnswers }) => sum + openAnswers, 0),
    calm: async () => {
      clearTimeout(timer);
      for (const server of servers) server.relax();
      await registry.acceptConnections();
    },
    close: async () => {
      clearTimeout(timer);
      await Promise.all(servers.map((server) => server.close()));
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    },
  };
}

type Options = NonNullable<Parameters<typeof startTestRegistry>[0]>;

async function startOnFreePort(
  { content, certificate, nextPort }: ChaosGround,
  options: Options,
): Promise<TestRegistry> {
  for (;;) {
    try {
      return await startTestRegistry({
        ...options,
        tls: certificate,
        content,
        port: nextPort(),
        connectionFaults: true,
      });
    } catch (error) {
      const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
      if (!taken) throw error;
    }
  }
}

/** As docker's users do it; without, a certificate is not looked at on loopback. */
function trustAt({ homePath, certificate }: ChaosGround, host: string): string {
  const folder = join(homePath, ".config/docker/certs.d", host);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "ca.crt"), certificate.certificatePem);
  return folder;
}

function refuseFor(registry: TestRegistry, ms: number): NodeJS.Timeout {
  registry.refuseConnections();
  return setTimeout(() => {
    void registry.acceptConnections();
  }, ms);
}

function addFaults(
  plan: ChaosPlan,
  ground: ChaosGround,
  {
    registry,
    mirror,
  }: { readonly registry: TestRegistry; readonly mirror: TestRegistry | undefined },
): ReadonlyMap<PlannedFault, () => number> {
  const random = new Random(plan.seed, "faults", plan.number);
  const counts = new Map<PlannedFault, () => number>();
  for (const planned of plan.faults) {
    const { row, at, times, skip } = planned;
    if (row.on === "listener") continue;
    const server = at === "mirror" && mirror !== undefined ? mirror : registry;
    const facts: FaultFacts = {
      random,
      challenge: `Bearer realm="${server.url}/token",service="test-registry",scope="repository:${REPOSITORY}:pull",error="invalid_token"`,
      certificates: ground.impostors,
      otherManifest: ground.otherManifest,
      closedOrigin: `https://${server.host.replace(/:\d+$/, "")}:1`,
      host: server.host,
    };
    const fault = faultOf(row, facts, { times, skip });
    if ("ranged" in fault) server.faults.add(breakOf(plan, fault.on));
    server.faults.add(fault);
    counts.set(planned, () => server.faults.timesMet(fault));
  }
  return counts;
}

function faultOf(
  row: AnswerRow | ConnectionRow,
  facts: FaultFacts,
  { times, skip }: { readonly times: number; readonly skip: number },
): Fault | ConnectionFault {
  const repeated = times === Infinity ? {} : { times };
  if (isOfConnections(row)) {
    return { ...row.make(facts), on: row.on, skip, ...repeated };
  }
  if (row.ranged === undefined) return { ...row.make(facts), on: row.on, skip, ...repeated };
  return { ...row.make(facts), on: row.on, ranged: true, ...repeated };
}

function isOfConnections(row: AnswerRow | ConnectionRow): row is ConnectionRow {
  return row.on === "registry connection" || row.on === "cdn connection";
}

/** What makes a pull ask for a range: its largest layer breaks off. */
function breakOf({ image }: ChaosPlan, on: Fault["on"]): Fault {
  return { on, digest: image.largestLayer, kind: "close", afterBytes: 20_000, times: 1 };
}
