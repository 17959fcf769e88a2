interface WindowsVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

/** Windows Server 2022: from here on a host also runs older images, back to the last long-term release before it. */
const LTSC_2022 = 20_348;
/** Windows Server 2025. */
const LTSC_2025 = 26_100;

/**
 * Whether a host of version `host` runs an image of version `image` (PLAT-3; containerd `platform_windows_compat.go`).
 * A version that is missing, or a host version that cannot be read, says nothing and fits.
 */
export function fitsWindowsVersion(host: string | undefined, image: string | undefined): boolean {
  const wanted = parseVersion(host);
  if (wanted === undefined || image === undefined || image === "") return true;
  const offered = parseVersion(image) ?? { major: 0, minor: 0, build: 0 };
  if (wanted.major !== offered.major || wanted.minor !== offered.minor) return false;
  if (wanted.build < LTSC_2022) return wanted.build === offered.build;
  const oldest = wanted.build > LTSC_2025 ? LTSC_2025 : LTSC_2022;
  return offered.build >= oldest && offered.build <= wanted.build;
}

function parseVersion(text: string | undefined): WindowsVersion | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\.|$)/.exec(text ?? "");
  if (match === null) return undefined;
  const [major = 0, minor = 0, build = 0] = match.slice(1).map(Number);
  const isEmpty = major === 0 && minor === 0 && build === 0;
  return isEmpty || major > 255 || minor > 255 || build > 65_535
    ? undefined
    : { major, minor, build };
}
