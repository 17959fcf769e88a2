import { endianness } from "node:os";
import { ImportError, printable } from "../errors.ts";
import type { Platform } from "./descriptor.ts";

/** A platform as written in an index, a config or on a command line: any spelling, any part missing. */
export interface RawPlatform {
  readonly os?: string | undefined;
  readonly architecture?: string | undefined;
  readonly variant?: string | undefined;
  readonly osVersion?: string | undefined;
  readonly osFeatures?: readonly string[] | undefined;
}

// Go's syslist.go, as containerd/platforms has it: what a single word may be.
const KNOWN_OS = new Set(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos".split(
    " ",
  ),
);
const KNOWN_ARCHITECTURE = new Set(
  "386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc riscv riscv64 s390 s390x sparc sparc64 wasm".split(
    " ",
  ),
);
/** `windows(10.0.17763+win32k)`: a name, a version, features. */
const OS_PART = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/;
const PART = /^[A-Za-z0-9_.-]+$/;
const SPECIFIER_LENGTH = 256;

/**
 * `os/arch[/variant]`, or one known word of either; normalised (registry-cases PLAT-1).
 * @throws ImportError ERR_CONFIG_INVALID
 */
export function parsePlatform(text: string): Platform {
  if (text.length > SPECIFIER_LENGTH) throw invalid(text, `longer than ${SPECIFIER_LENGTH}`);
  if (text.includes("*")) throw invalid(text, "wildcards are not supported");
  const [first = "", ...rest] = text.split("/");
  if (rest.length > 2) throw invalid(text, "more than three parts");
  if (rest.some((part) => !PART.test(part))) throw invalid(text, "an empty or malformed part");
  const osPart = OS_PART.exec(first);
  if (osPart === null) throw invalid(text, "an empty or malformed part");
  const [, os = "", version = "", features = ""] = osPart;
  const [architecture, variant] = rest;
  const options = {
    osVersion: decodeOption(text, version),
    osFeatures: features
      .split("+")
      .slice(1)
      .map((it) => decodeOption(text, it)),
  };
  if (architecture === undefined) return parseWord(text, os, options);
  return normalizePlatform({ os, architecture, variant, ...options });
}

/** A word is an operating system (on our architecture) or an architecture (on linux). */
function parseWord(text: string, word: string, options: RawPlatform): Platform {
  const host = hostPlatform();
  const asOs = normalizePlatform({ ...host, os: word, ...options });
  if (KNOWN_OS.has(asOs.os)) return asOs;
  const asArchitecture = normalizePlatform({ os: host.os, architecture: word });
  // Options belong to an operating system: `amd64(10.0)` is nothing.
  if (word === text && KNOWN_ARCHITECTURE.has(asArchitecture.architecture)) return asArchitecture;
  throw invalid(text, "neither a known operating system nor a known architecture");
}

function decodeOption(text: string, value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw invalid(text, "a malformed % sequence");
  }
}

/**
 * One spelling for what is the same, as containerd normalises it: lower case, no aliases, `arm` has a variant (v7 when
 * unmarked), `arm64` v8 and `amd64` v1 have none. A missing `os` is linux; a missing architecture is `unknown`.
 */
export function normalizePlatform(raw: RawPlatform): Platform {
  const os = (raw.os ?? "").toLowerCase() || "linux";
  const [architecture, variant] = normalizeArchitecture(
    (raw.architecture ?? "").toLowerCase() || "unknown",
    (raw.variant ?? "").toLowerCase(),
  );
  const features = [...new Set(raw.osFeatures)].toSorted();
  return {
    os: os === "macos" ? "darwin" : os,
    architecture,
    ...(variant === "" ? {} : { variant }),
    ...(raw.osVersion === undefined || raw.osVersion === "" ? {} : { osVersion: raw.osVersion }),
    ...(features.length === 0 ? {} : { osFeatures: features }),
  };
}

function normalizeArchitecture(architecture: string, variant: string): [string, string] {
  switch (architecture) {
    case "i386":
      return ["386", ""];
    case "x86_64":
    case "x86-64":
    case "amd64":
      return ["amd64", variant === "v1" ? "" : variant];
    case "aarch64":
    case "arm64":
      if (["8", "v8", "v8.0"].includes(variant)) return ["arm64", ""];
      return ["arm64", ["9", "9.0", "v9.0"].includes(variant) ? "v9" : variant];
    case "armhf":
      return ["arm", "v7"];
    case "armel":
      return ["arm", "v6"];
    case "arm":
      if (variant === "") return ["arm", "v7"];
      return ["arm", /^[5-8]$/.test(variant) ? `v${variant}` : variant];
    default:
      return [architecture, variant];
  }
}

/** `linux/arm/v7`, as users write it. Hostile text in an index stays printable. */
export function formatPlatform(platform: Platform): string {
  const features = (platform.osFeatures ?? []).map((feature) => `+${feature}`).join("");
  const options = `${platform.osVersion ?? ""}${features}`;
  const os = options === "" ? platform.os : `${platform.os}(${options})`;
  const parts = [os, platform.architecture, platform.variant].filter((part) => part !== undefined);
  return printable(parts.join("/"), 100);
}

/** What this machine runs: linux whatever the system is (sandboxes are), and its architecture. */
export function hostPlatform(): Platform {
  return normalizePlatform({ os: "linux", ...hostArchitecture() });
}

/** Node's name → Go's, where they differ. */
const GO_ARCHITECTURE: ReadonlyMap<string, string> = new Map([
  ["x64", "amd64"],
  ["ia32", "386"],
  ["mipsel", "mipsle"],
  ["ppc64", endianness() === "LE" ? "ppc64le" : "ppc64"],
]);

function hostArchitecture(): RawPlatform {
  const architecture = GO_ARCHITECTURE.get(process.arch) ?? process.arch;
  if (architecture !== "arm") return { architecture };
  // Node knows which ARM it was built for: an armv6 board must not get v7 code.
  const { variables } = process.config;
  const version = "arm_version" in variables ? String(variables.arm_version) : "7";
  return { architecture, variant: `v${version}` };
}

function invalid(text: string, why: string): ImportError {
  const shown = printable(text);
  return new ImportError("ERR_CONFIG_INVALID", `invalid platform "${shown}": ${why}`, {
    hint: "Write it as os/arch or os/arch/variant, for instance linux/amd64 or linux/arm/v7.",
    details: { platform: shown },
  });
}
