import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { mustRun } from "../run-program.ts";
import { startServerIn } from "../server-process.ts";
import type { OwnMachine } from "./own-machine.ts";

/** Debian's squid, a forward proxy, on a port of loopback. */
export interface Squid {
  /** `127.0.0.1:3128` */
  readonly host: string;
  /** `CONNECT registry.test:443 200`, a line a request that has ended. */
  requests(): readonly string[];
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  close(): Promise<void>;
}

export interface SquidOptions {
  /** Whose host names it knows. */
  readonly machine: OwnMachine;
  /** It wants this login. */
  readonly user?: { readonly name: string; readonly password: string };
  /** `http_access` lines before the one that allows the rest. */
  readonly rules?: readonly string[];
}

export async function startSquid({ machine, user, rules = [] }: SquidOptions): Promise<Squid> {
  const directory = mkdtempSync(join(tmpdir(), "rootlift-squid-"));
  const port = await freePort();
  const log = join(directory, "access.log");
  writeFileSync(log, "");
  // It drops root for the user that Debian made for it.
  for (const [path, mode] of [
    [directory, 0o777],
    [log, 0o666],
  ] as const)
    chmodSync(path, mode);
  const login: string[] = [];
  if (user !== undefined) {
    const file = join(directory, "passwords");
    await mustRun("htpasswd", ["-bcm", file, user.name, user.password]);
    chmodSync(file, 0o644);
    login.push(
      `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${file}`,
      "auth_param basic children 1 startup=1 idle=1",
      "acl known proxy_auth REQUIRED",
      "http_access deny !known",
    );
  }
  const config = [
    `http_port 127.0.0.1:${port}`,
    "pid_filename none",
    "pinger_enable off",
    "shutdown_lifetime 0 seconds",
    "cache deny all",
    "cache_mem 8 MB",
    "max_filedescriptors 1024",
    "logformat lab %rm %ru %>Hs",
    `access_log stdio:${log} lab`,
    `cache_log ${directory}/cache.log`,
    `coredump_dir ${directory}`,
    ...rules,
    ...login,
    "http_access allow all",
  ];
  writeFileSync(join(directory, "squid.conf"), `${config.join("\n")}\n`);
  const [enter = "", ...entered] = machine.enter;
  const server = await startServerIn(directory, {
    command: enter,
    args: [...entered, "squid", "-N", "-f", join(directory, "squid.conf")],
    port,
  });
  return {
    host: `127.0.0.1:${port}`,
    requests: () =>
      readFileSync(log, "utf8")
        .split("\n")
        // The connection that found out whether it listens.
        .filter((line) => line !== "" && !line.startsWith("- error:")),
    ...server,
  };
}
