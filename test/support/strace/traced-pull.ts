import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { importCommand } from "../case-kit/import-case.ts";
import { fileEntry, makeLayer } from "../make-layer.ts";
import { startTestRegistry } from "../test-registry/test-registry.ts";
import { runTraced, type TracedRun } from "./traced-import.ts";

const USER = "reader";
const PASSWORD = "made-up-password";

/** A pull from a registry that wants a login, traced: the only other files it may look for are the user's configuration. */
export async function tracePull(work: string): Promise<TracedRun> {
  const registry = await startTestRegistry({
    auth: { mode: "basic", users: { [USER]: PASSWORD } },
    redirectBlobs: true,
  });
  try {
    const layer = await makeLayer([fileEntry("etc/motd", "hello\n")]);
    await registry.addImage("traced", "1", { layers: [layer] });
    const docker = join(work, "user/.docker");
    mkdirSync(docker, { recursive: true });
    const auth = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
    writeFileSync(
      join(docker, "config.json"),
      JSON.stringify({ auths: { [registry.host]: { auth } } }),
      { mode: 0o600 },
    );
    const outputPath = join(work, "near/out");
    mkdirSync(join(work, "near"));
    const command = importCommand(work, outputPath, { format: "dir" }).map((word) =>
      word.startsWith("oci:") ? `${registry.host}/traced:1` : word,
    );
    return await runTraced(command, {
      work,
      outputPath,
      sources: [],
      configuration: [
        join(docker, "config.json"),
        join(work, "user/.config/containers/auth.json"),
        "/run/containers/0/auth.json",
        // A folder a host, with its port.
        ...["/etc/docker", "/etc/containers"].flatMap((at) => certificates(at, registry.host)),
        ...[".config/containers", ".config/docker"].flatMap((at) =>
          certificates(join(work, "user", at), registry.host),
        ),
      ],
      env: { DOCKER_CONFIG: "", XDG_CONFIG_HOME: "", XDG_RUNTIME_DIR: "" },
    });
  } finally {
    await registry.close();
  }
}

function certificates(directory: string, host: string): readonly string[] {
  return [join(directory, "certs.d"), join(directory, "certs.d", host)];
}
