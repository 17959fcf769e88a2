import { layerLabel } from "../errors.ts";
import type { ResolvedImage } from "../oci/image.ts";
import type { Reference } from "../oci/parse-reference.ts";
import { registryHost } from "../registry/mirrors/pull-host.ts";
import { resolveHosts } from "../registry/mirrors/resolve-hosts.ts";
import { RegistryClient } from "../registry/registry-client.ts";
import type { RangeSettings } from "../registry/range-plan.ts";
import { timingFor, type RequestTiming } from "../registry/request-timing.ts";
import { streamOfBytes } from "./blob-stream.ts";
import { configThrough, type LayerCache } from "./cached-source.ts";
import type { ImageSource, OpenSourceOptions, WantedPlatform } from "./image-source.ts";
import { resolveImage } from "./resolve-image.ts";

/** What tests set otherwise, to meet in a second what takes minutes and large layers. */
export interface SourceTuning {
  readonly timing?: Partial<RequestTiming>;
  /** Used where ranges are wanted. */
  readonly ranges?: Partial<RangeSettings>;
}

/**
 * An image in a registry, or in its mirrors. Nothing is asked before `resolve`; credentials are looked for when a host wants some.
 * @throws ImportError ERR_CONFIG_INVALID when the configuration of mirrors is unusable
 */
export async function openRegistrySource(
  reference: Reference,
  options: OpenSourceOptions,
  tuning: SourceTuning = {},
): Promise<ImageSource> {
  /** Digest → how messages name the layer; the lowest, where one occurs twice. */
  const labels = new Map<string, string>();
  const hosts =
    options.mirrors === undefined
      ? { mirrors: [], registry: registryHost(reference, options) }
      : await resolveHosts(reference, options.mirrors, options);
  const ranges = options.ranges === false ? false : (tuning.ranges ?? true);
  const timing = { ...timingFor(options.patience ?? {}), ...tuning.timing };
  const client = new RegistryClient({ ...options, reference, hosts, timing, ranges });
  return {
    reference: reference.canonical,
    isRemote: true,
    resolve: async (wanted, signal, cache) => {
      const image = await resolveFrom(client, reference, { wanted, signal, options, cache });
      for (const { index, descriptor } of image.layers.toReversed()) {
        labels.set(descriptor.digest.text, layerLabel(index, image.layers.length, image.reference));
      }
      return image;
    },
    openLayer: async (descriptor, { signal, fresh }) => {
      if (descriptor.data !== undefined) return streamOfBytes(descriptor.data);
      const name = labels.get(descriptor.digest.text) ?? `layer of ${reference.canonical}`;
      const what = `${name} (${descriptor.digest.text})`;
      return client.openBlob(descriptor, { signal, fresh, what });
    },
    hasAnotherHost: (descriptor) => client.wasMirrored(descriptor),
    close: () => client.close(),
  };
}

async function resolveFrom(
  client: RegistryClient,
  reference: Reference,
  context: {
    readonly wanted: WantedPlatform;
    readonly signal: AbortSignal;
    readonly options: OpenSourceOptions;
    readonly cache: LayerCache | undefined;
  },
): Promise<ResolvedImage> {
  const { wanted, signal } = context;
  const root = await client.fetchRoot(signal);
  const image = await resolveImage({
    reference: reference.canonical,
    root: { ...root, digest: reference.digest ?? undefined },
    wanted,
    limits: context.options.limits,
    fetchManifest: (descriptor, forSignal) => client.fetchManifest(descriptor, forSignal),
    fetchConfig: (descriptor, forSignal) =>
      configThrough(context.cache, descriptor, () => client.fetchConfig(descriptor, forSignal)),
    signal,
  });
  const refused = client.refusedLogins.map(({ host, origin }) => ({
    code: "LOGIN_REFUSED",
    message: `${host} refused the login from ${origin}; the image was pulled without it`,
  }));
  return { ...image, warnings: [...image.warnings, ...refused] };
}
