import type { CredentialProvider } from "../auth/credential-provider.ts";
import { createDockerCredentials } from "../auth/docker-credentials.ts";
import { ImportError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../oci/media-types.ts";
import { parseManifest } from "../oci/parse-manifest.ts";
import type { Reference } from "../oci/parse-reference.ts";
import { BlobStream } from "./blob-stream.ts";
import { ChunkBuffers } from "./chunk-buffers.ts";
import { ChunkLink } from "./chunk-link.ts";
import { ConnectionSlots } from "./connection-slots.ts";
import { foreignPlace } from "./foreign-blob.ts";
import type { RouteHost, RouteWarning } from "./host-route.ts";
import { HostRoute } from "./host-route.ts";
import type { PullHost, PullHosts } from "./mirrors/pull-host.ts";
import { registryHost } from "./mirrors/pull-host.ts";
import { openConnection } from "./open-connection.ts";
import { looksLikeRegistry } from "./ping.ts";
import type { planConnections, RangeSettings } from "./range-plan.ts";
import { DEFAULT_RANGES } from "./range-plan.ts";
import { RangeTrust } from "./range-trust.ts";
import type { RangesOfClient } from "./ranged-blob.ts";
import { RangedBlob } from "./ranged-blob.ts";
import type { RegistryConnection } from "./registry-request.ts";
import { RegistryWarnings } from "./registry-warnings.ts";
import type { RequestLine } from "../progress.ts";
import type { RequestTiming } from "./request-timing.ts";
import type { RetryEvent } from "./retry-plan.ts";
import type { SmallContent } from "./small-content.ts";
import { fetchSmall } from "./small-content.ts";

export interface RegistryClientOptions {
  /** What is pulled: its registry, and its repository. */
  readonly reference: Reference;
  /** Who is asked, in which order; default: the registry alone. */
  readonly hosts?: PullHosts;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default: those of docker's and podman's configuration, and of ROOTLIFT_USERNAME and ROOTLIFT_PASSWORD. */
  readonly credentials?: CredentialProvider;
  readonly limits: Limits;
  readonly plainHttp: boolean;
  readonly insecure: boolean;
  /** Connections for blobs. */
  readonly concurrency: number;
  /** Default true: large blobs get more than one connection when one is too slow for their consumer. */
  readonly ranges?: boolean | Partial<RangeSettings>;
  readonly userAgent: string;
  readonly onRetry: (event: RetryEvent) => void;
  /** A request has ended. */
  readonly onRequest?: ((line: RequestLine) => void) | undefined;
  /** A mirror failed, or a registry has something to say. */
  readonly onWarning?: ((warning: RouteWarning) => void) | undefined;
  readonly timing?: Partial<RequestTiming>;
  /** For tests; default `Math.random`. */
  readonly random?: () => number;
  /** For tests: decides without looking at the clock. */
  readonly planConnections?: typeof planConnections;
}

export interface OpenBlobOptions {
  readonly signal: AbortSignal;
  /** Caches in between are asked not to answer; `urls` are left out. */
  readonly fresh: boolean;
  /** `layer sha256:… of ghcr.io/org/app:1.2`, for messages */
  readonly what: string;
}

/** MAN-1: without the OCI types GHCR answers 404; without a wildcard odd proxies answer 406. */
const MANIFEST_ACCEPT = [OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST, "*/*;q=0.1"].join(
  ", ",
);

/** A stored login that was of no use (TOK-11). */
export interface RefusedLogin {
  readonly host: string;
  /** Where it came from. */
  readonly origin: string;
}

/** Manifests, configs and blobs of one repository of one registry, or of its mirrors (distribution-spec, "Pull"). */
export class RegistryClient {
  readonly #options: RegistryClientOptions;
  /** The registry's own. */
  readonly #connection: RegistryConnection;
  readonly #connections: readonly RegistryConnection[];
  readonly #route: HostRoute;
  readonly #slots: ConnectionSlots;
  readonly #life = new AbortController();
  readonly #refusedLogins: RefusedLogin[] = [];
  readonly #ranges: RangesOfClient | undefined;
  /** Digests of blobs that were pulled in ranges. */
  readonly #ranged = new Set<string>();

  constructor(options: RegistryClientOptions) {
    this.#options = options;
    this.#slots = new ConnectionSlots(options.concurrency);
    this.#ranges = rangesOf(options);
    const { env, reference } = options;
    const { mirrors, registry } = options.hosts ?? {
      mirrors: [],
      registry: registryHost(reference, options),
    };
    const credentials =
      options.credentials ?? createDockerCredentials({ env, loginRegistry: reference.registry });
    const onWarning = options.onWarning ?? (() => undefined);
    const warnings = new RegistryWarnings(onWarning);
    const open = (host: PullHost): RegistryConnection =>
      openConnection(options, {
        host,
        isMirror: host !== registry,
        credentials,
        signal: this.#life.signal,
        warnings,
        onRefusedLogin: (origin) => this.#refusedLogins.push({ host: host.name, origin }),
      });
    this.#connection = open(registry);
    const route = [...mirrors, registry].map((host): RouteHost => ({
      byTag: host.byTag,
      byDigest: host.byDigest,
      connection: host === registry ? this.#connection : open(host),
    }));
    this.#connections = route.map(({ connection }) => connection);
    this.#route = new HostRoute(route, onWarning);
  }

  /** Stored logins that a host refused, though it gave an anonymous token (TOK-11). */
  get refusedLogins(): readonly RefusedLogin[] {
    return this.#refusedLogins;
  }

  /** Memory that parts of large blobs take, those that have come and those under way. */
  get chunkMemoryBytes(): number {
    return this.#ranges?.buffers.usedBytes ?? 0;
  }

  /**
   * What the reference's digest, or else its tag, names. Checked against the digest asked for or announced.
   * @throws ImportError
   */
  async fetchRoot(signal: AbortSignal): Promise<SmallContent> {
    const { digest, tag } = this.#options.reference;
    return this.#manifest(digest?.text ?? tag ?? "latest", digest ?? undefined, signal);
  }

  /** A manifest or index by its digest, checked. @throws ImportError */
  async fetchManifest({ digest }: Descriptor, signal: AbortSignal): Promise<SmallContent> {
    return this.#manifest(digest.text, digest, signal);
  }

  /** An image config, checked. @throws ImportError */
  async fetchConfig({ digest }: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
    const { reference } = this.#connection;
    const content = await this.#route.ask("digest", signal, (connection) =>
      fetchSmall(connection, {
        kind: "config",
        path: `blobs/${digest.text}`,
        accept: "*/*",
        what: `the config ${digest.text} of ${reference}`,
        reference,
        limits: this.#options.limits,
        digest,
        signal,
      }),
    );
    return content.bytes;
  }

  /** Whether what `openBlob` gave of this blob came from a mirror, so that it is worth asking again, `fresh`. */
  wasMirrored({ digest }: Descriptor): boolean {
    return this.#route.wasMirrored(digest);
  }

  /** Starts at once; its failures come with `read`. The length is checked, the digest is the consumer's. */
  openBlob(descriptor: Descriptor, options: OpenBlobOptions): BlobStream | RangedBlob {
    const { fresh, what } = options;
    const { sender, reference } = this.#connection;
    const { digest, sizeBytes } = descriptor;
    // The digest did not hold: one of the ranges may have lied, or the mirror, which is left then.
    const mirrored = this.#route.wasMirrored(digest);
    if (fresh && !mirrored && this.#ranged.has(digest.text)) this.#ranges?.trust.refuseAll();
    if (fresh) this.#route.accuse(digest, what);
    const { hostname } = new URL(`https://${this.#options.reference.apiHost}/`);
    const urls = fresh ? [] : (descriptor.urls ?? []);
    const foreign = urls.map((url) =>
      foreignPlace(sender, { url, registryHostname: hostname, what, reference }),
    );
    const place = this.#route.blobPlace(digest, what);
    const common = {
      sizeBytes,
      stored: storedAs(descriptor),
      what,
      reference,
      fresh,
      retries: sender.retries,
      slots: this.#slots,
      lastWord: (error: Error) => this.#route.lastWord(error),
      signal: AbortSignal.any([options.signal, this.#life.signal]),
    };
    const ranges = this.#ranges;
    const large = ranges !== undefined && sizeBytes >= ranges.settings.minLayerBytes;
    if (!large || fresh || foreign.length > 0) {
      return new BlobStream({ ...common, places: [...foreign, place] });
    }
    this.#ranged.add(digest.text);
    return new RangedBlob({ ...common, link: new ChunkLink(sender, place, what), ranges });
  }

  /** Ends what is still running. */
  async close(): Promise<void> {
    this.#life.abort(new ImportError("ERR_CANCELLED", "the source was closed"));
    await Promise.all(this.#connections.map(({ sender }) => sender.transport.close()));
  }

  async #manifest(
    path: string,
    digest: Digest | undefined,
    signal: AbortSignal,
  ): Promise<SmallContent> {
    const { reference } = this.#connection;
    const request = {
      kind: "manifest",
      path: `manifests/${path}`,
      accept: MANIFEST_ACCEPT,
      what:
        digest === undefined
          ? `the manifest of ${reference}`
          : `the manifest ${path} of ${reference}`,
      reference,
      limits: this.#options.limits,
      digest,
      signal,
    } as const;
    const need = digest === undefined ? "tag" : "digest";
    return this.#route.ask(need, signal, async (connection, isLast) => {
      try {
        const found = await fetchSmall(connection, request);
        // What a mirror has for a manifest may be none: then the next host is asked (MIR-4).
        if (!isLast) parseManifest(found.bytes, { ...request, mediaType: found.mediaType });
        return found;
      } catch (error) {
        throw isLast ? await notARegistry(connection, error, signal) : error;
      }
    });
  }
}

function rangesOf(options: RegistryClientOptions): RangesOfClient | undefined {
  const { ranges = true, planConnections } = options;
  if (ranges === false) return undefined;
  const settings = { ...DEFAULT_RANGES, ...(ranges === true ? {} : ranges) };
  return {
    settings,
    trust: new RangeTrust(),
    buffers: new ChunkBuffers(settings.chunkBytes, settings.budgetBytes),
    ...(planConnections === undefined ? {} : { planConnections }),
  };
}

function storedAs({ mediaType }: Descriptor): "gzip" | "zstd" | undefined {
  if (/[+.]gzip$/.test(mediaType)) return "gzip";
  return /[+.]zstd$/.test(mediaType) ? "zstd" : undefined;
}

/** PING-1: an HTML 404 may come from a web site that is no registry at all; then that is the error. */
async function notARegistry(
  connection: RegistryConnection,
  error: unknown,
  signal: AbortSignal,
): Promise<unknown> {
  const missing = error instanceof ImportError && error.code === "ERR_IMAGE_NOT_FOUND";
  if (!missing || error.details["registryCode"] !== undefined) return error;
  if (await looksLikeRegistry(connection, signal)) return error;
  return new ImportError("ERR_REGISTRY_PROTOCOL", `${error.message}; is it a registry?`, {
    hint: "Check the host and the port: nothing there answers as a registry does.",
    details: error.details,
  });
}
