import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { startServerProcess, type ServerProcess } from "./server-process.ts";

/** Debian's docker-registry (distribution), serving http on loopback unless told otherwise. */
export interface DebianRegistry extends Pick<ServerProcess, "kill" | "start"> {
  readonly host: string;
  /** Where the blobs and manifests lie. */
  readonly dataPath: string;
  /** Stops the process and removes its files. */
  close(): Promise<void>;
}

export interface DebianRegistryOptions {
  /** With it the registry wants Basic authentication (htpasswd). */
  readonly user?: { readonly name: string; readonly password: string };
  /** Of another registry, to serve the same images; default: its own, empty. */
  readonly dataPath?: string;
  /** Further lines of its config.yml. */
  readonly config?: readonly string[];
  /** Further lines below `http:`, indented by two. */
  readonly http?: readonly string[];
  /** Default 127.0.0.1. */
  readonly address?: "127.0.0.1" | "::1";
}

export async function startDebianRegistry(
  options: DebianRegistryOptions = {},
): Promise<DebianRegistry> {
  const directory = mkdtempSync(join(tmpdir(), "rootlift-registry-"));
  const address = options.address ?? "127.0.0.1";
  const port = await freePort(address);
  const host = `${address === "::1" ? "[::1]" : address}:${port}`;
  const dataPath = options.dataPath ?? join(directory, "data");
  mkdirSync(dataPath, { recursive: true });
  const config = [
    "version: 0.1",
    `storage: {filesystem: {rootdirectory: ${dataPath}}}`,
    "http:",
    `  addr: "${host}"`,
    ...(options.http ?? []),
    "log: {level: error, accesslog: {disabled: true}}",
    ...(options.config ?? []),
  ];
  if (options.user !== undefined) {
    const path = join(directory, "htpasswd");
    writeFileSync(path, `${options.user.name}:${bcrypt(options.user.password)}\n`);
    config.push(`auth: {htpasswd: {realm: "Registry Realm", path: "${path}"}}`);
  }
  writeFileSync(join(directory, "config.yml"), `${config.join("\n")}\n`);
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    const server = await startServerProcess({
      command: "docker-registry",
      args: ["serve", join(directory, "config.yml")],
      host: address,
      port,
    });
    const close = async (): Promise<void> => {
      await server.kill();
      remove();
    };
    return { host, dataPath, close, kill: server.kill, start: server.start };
  } catch (error) {
    remove();
    throw error;
  }
}

/** The only kind of hash that distribution takes; perl-base is on every Debian, and its crypt knows it. */
function bcrypt(password: string): string {
  const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const salt = [...randomBytes(21)].map((byte) => alphabet[byte % 64]).join("");
  return execFileSync(
    "perl",
    ["-e", "print crypt($ARGV[0], $ARGV[1])", password, `$2y$05$${salt}.`],
    {
      encoding: "utf8",
    },
  );
}
