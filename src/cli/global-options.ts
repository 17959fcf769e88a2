import type { ParsedArguments, OptionSpec } from "./command.ts";
import type { StoreOptions } from "../index.ts";
import { flag, given, nonEmptyText } from "./option-values.ts";

const GROUP = "Global options (before or after the command)";
const REMOTE = "For the remote platform; accepted, not used by the local catalog";

const HELP_OPTION: OptionSpec = {
  name: "help",
  short: "h",
  group: GROUP,
  describe: "Print help",
};
const VERSION_OPTION: OptionSpec = {
  name: "version",
  short: "V",
  group: GROUP,
  describe: "Print the version",
};

export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  {
    name: "project",
    value: "ID",
    group: GROUP,
    describe: "The project whose names are meant; without one it is called `default`",
    env: "TENSORLAKE_PROJECT_ID",
  },
  {
    name: "debug",
    group: GROUP,
    describe: "After an error, print its debug form with the stack",
    env: "TENSORLAKE_DEBUG",
  },
  {
    name: "api-url",
    value: "URL",
    group: GROUP,
    describe: REMOTE,
    env: "TENSORLAKE_API_URL",
  },
  {
    name: "cloud-url",
    value: "URL",
    group: GROUP,
    describe: REMOTE,
    env: "TENSORLAKE_CLOUD_URL",
  },
  {
    name: "api-key",
    value: "KEY",
    group: GROUP,
    describe: REMOTE,
    env: "TENSORLAKE_API_KEY",
  },
  { name: "pat", value: "TOKEN", group: GROUP, describe: REMOTE, env: "TENSORLAKE_PAT" },
  {
    name: "organization",
    value: "ID",
    group: GROUP,
    describe: REMOTE,
    env: "TENSORLAKE_ORGANIZATION_ID",
  },
  {
    name: "namespace",
    value: "NS",
    group: GROUP,
    describe: REMOTE,
    env: "INDEXIFY_NAMESPACE",
  },
  HELP_OPTION,
  VERSION_OPTION,
];

/** The library reads `$ROOTLIFT_HOME` and `$TENSORLAKE_PROJECT_ID` itself; only what the command line says comes on top. */
export function storeOptions(args: ParsedArguments): StoreOptions {
  return given("project", nonEmptyText(args, "project"));
}

/** `1`, `true`, `yes`, `on` in any case, as the SDKs read it. */
export function isDebug(
  args: ParsedArguments | undefined,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  if (args !== undefined && flag(args, "debug")) return true;
  return /^(1|true|yes|on)$/i.test(env["TENSORLAKE_DEBUG"]?.trim() ?? "");
}
