import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Debian's docker-registry (distribution), serving http on loopback. */
export interface DebianRegistry {
  readonly host: string;
  /** Stops the process and removes its files. */
  close(): Promise<void>;
}

/** @param user with it the registry wants Basic authentication (htpasswd) */
export async function startDebianRegistry(user?: {
  readonly name: string;
  readonly password: string;
}): Promise<DebianRegistry> {
  const directory = mkdtempSync(join(tmpdir(), "rootlift-registry-"));
  const host = `127.0.0.1:${await freePort()}`;
  mkdirSync(join(directory, "data"));
  const config = [
    "version: 0.1",
    `storage: {filesystem: {rootdirectory: ${join(directory, "data")}}}`,
    `http: {addr: "${host}"}`,
    "log: {level: error, accesslog: {disabled: true}}",
  ];
  if (user !== undefined) {
    const path = join(directory, "htpasswd");
    writeFileSync(path, `${user.name}:${bcrypt(user.password)}\n`);
    config.push(`auth: {htpasswd: {realm: "Registry Realm", path: "${path}"}}`);
  }
  writeFileSync(join(directory, "config.yml"), `${config.join("\n")}\n`);
  const child = spawn("docker-registry", ["serve", join(directory, "config.yml")], {
    stdio: "ignore",
  });
  const closed = new Promise<void>((settle) => {
    child.on("close", () => settle());
    child.on("error", () => settle());
  });
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await closed;
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await answers(host);
  } catch (error) {
    await close();
    throw error;
  }
  return { host, close };
}

async function answers(host: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      const { status } = await fetch(`http://${host}/v2/`);
      if (status === 200 || status === 401) return;
    } catch {
      // Not up yet.
    }
    await sleep(50);
  }
  throw new Error(`docker-registry does not answer on ${host}`);
}

function freePort(): Promise<number> {
  return new Promise((settle, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => settle(typeof address === "object" && address ? address.port : 0));
    });
  });
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
