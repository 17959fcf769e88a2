import type { Descriptor, Platform } from "./descriptor.ts";
import { normalizePlatform } from "./parse-platform.ts";
import { fitsWindowsVersion } from "./windows-version.ts";

/** What an index offers for a wanted platform (registry-cases PLAT-2 … PLAT-4). */
export interface PlatformChoice<T extends Descriptor> {
  /** Entries whose platform fits, best first; equal ones in the order of the index. */
  readonly fitting: readonly T[];
  /** Entries without a platform, in the order of the index: only what they lead to can decide. */
  readonly unmarked: readonly T[];
}

/** Attestations are in neither list. */
export function choosePlatform<T extends Descriptor>(
  entries: readonly T[],
  wanted: Platform,
): PlatformChoice<T> {
  const images = entries.filter((entry) => !isAttestation(entry));
  const order = acceptablePlatforms(wanted);
  const ranked = images.flatMap((entry) => {
    const rank = entry.platform && rankIn(order, entry.platform);
    if (rank === undefined) return [];
    // Of two that are as good, the one that uses more of what was asked for (containerd `Less`).
    const features = entry.platform?.osFeatures?.length ?? 0;
    return [{ entry, rank, features }];
  });
  return {
    fitting: ranked
      .toSorted((a, b) => a.rank - b.rank || b.features - a.features)
      .map(({ entry }) => entry),
    unmarked: images.filter((entry) => entry.platform === undefined),
  };
}

/** How far a platform is from the wanted one: 0 is the same, `undefined` does not fit at all. */
export function rankPlatform(wanted: Platform, offered: Platform): number | undefined {
  return rankIn(acceptablePlatforms(wanted), offered);
}

/** BuildKit's attestations sit in an index beside the images they are about (PLAT-4 of its docs: `unknown/unknown`). */
export function isAttestation(entry: Descriptor): boolean {
  const { platform, annotations } = entry;
  return (
    annotations?.["vnd.docker.reference.type"] === "attestation-manifest" ||
    (platform?.os === "unknown" && platform.architecture === "unknown")
  );
}

function rankIn(order: readonly Platform[], offered: Platform): number | undefined {
  const normalized = normalizePlatform(offered);
  const rank = order.findIndex((accepted) => fits(accepted, normalized));
  return rank < 0 ? undefined : rank;
}

const WIN32K = "win32k";

function fits(accepted: Platform, offered: Platform): boolean {
  // Every Windows host has win32k; images said so before hosts could be asked for it.
  const features = new Set(accepted.osFeatures);
  if (accepted.os === "windows") features.add(WIN32K);
  return (
    accepted.os === offered.os &&
    accepted.architecture === offered.architecture &&
    accepted.variant === offered.variant &&
    // An entry that needs a feature we did not ask for is not ours (containerd matches subsets).
    (offered.osFeatures ?? []).every((feature) => features.has(feature)) &&
    (accepted.os !== "windows" || fitsWindowsVersion(accepted.osVersion, offered.osVersion))
  );
}

/** containerd's `platformVector`: every platform that a machine of the wanted one runs, best first. */
function acceptablePlatforms(wanted: Platform): readonly Platform[] {
  const { os, architecture, variant, osVersion, osFeatures } = normalizePlatform(wanted);
  return [
    ...variantsOf(architecture, variant).map((level) => [architecture, level] as const),
    ...otherArchitectures(architecture, variant),
  ].map(([name, level]) =>
    normalizePlatform({ os, osVersion, osFeatures, architecture: name, variant: level }),
  );
}

function variantsOf(architecture: string, variant: string | undefined): (string | undefined)[] {
  if (architecture === "amd64") return [variant, ...countDown(levelOf(variant), 1)];
  if (architecture === "arm") return [variant, ...countDown(levelOf(variant), 5)];
  if (architecture === "arm64") return [variant, ...arm64Below(variant ?? "v8")];
  return [variant];
}

function otherArchitectures(
  architecture: string,
  variant: string | undefined,
): (readonly [string, string | undefined])[] {
  if (architecture === "amd64") return [["386", undefined]];
  // Of a variant that is none (`arm64/v7`, `arm64/v10`) nobody knows what else it runs.
  if (architecture !== "arm64" || !ARM64_VARIANT.test(variant ?? "v8")) return [];
  return variantsOf("arm", "v8").map((level) => ["arm", level] as const);
}

/** `v3` → 3; 0 for what is no level. Two digits at most: a hostile `v999999999` must not become a list that long. */
function levelOf(variant: string | undefined): number {
  return Number(/^v?(\d{1,2})$/.exec(variant ?? "")?.[1] ?? 0);
}

/** The levels below `from`, down to `to`. */
function countDown(from: number, to: number): string[] {
  return Array.from({ length: Math.max(0, from - to) }, (_, step) => `v${from - step - 1}`);
}

/** What containerd knows, and the last minors that it does not know yet. */
const ARM64_VARIANT = /^v([89])(?:\.(\d))?$/;

/** Armv9.N holds all of Armv8.(N+5): v9.2 → v9.1, v9, v8.7, v8.6 … v8. */
function arm64Below(variant: string): string[] {
  const [, major, minorText] = ARM64_VARIANT.exec(variant) ?? [];
  const minor = Number(minorText ?? 0);
  if (major === undefined) return [];
  if (major === "8") return minorsBelow("v8", minor);
  return [...minorsBelow("v9", minor), ...minorsBelow("v8", minor + 6)];
}

function minorsBelow(major: string, minor: number): string[] {
  return Array.from({ length: minor }, (_, step) => minor - step - 1).map((it) =>
    it === 0 ? major : `${major}.${it}`,
  );
}
