#!/usr/bin/env node
// Runs the command with a Node that is new enough. Old Nodes have to parse this file: no syntax after Node 12.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NEEDED = "22.20.0";
/** Set for the Node that we continue with, so that one that is too old itself does not look for itself. */
const CONTINUED = "ROOTLIFT_TL_CONTINUED";

const script = fileURLToPath(import.meta.url);
const entry = new URL("../dist/main.js", import.meta.url);

function isNewEnough(version) {
  const have = version.split(".").map(Number);
  const need = NEEDED.split(".").map(Number);
  return have[0] > need[0] || (have[0] === need[0] && have[1] >= need[1]);
}

/** The package `node` puts a Node there: ours, or that of the project that depends on us. */
function nodeOfProject() {
  for (let folder = dirname(dirname(script)); ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", ".bin", "node");
    if (existsSync(candidate)) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
}

function fail(message) {
  process.stderr.write("Error: " + message + "\n");
  process.exitCode = 1;
}

function continueWith(node) {
  const child = spawn(node, [script].concat(process.argv.slice(2)), {
    stdio: "inherit",
    env: Object.assign({}, process.env, { [CONTINUED]: "1" }),
  });
  const forwarded = ["SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT", "SIGUSR2"];
  const forward = (signal) => child.kill(signal);
  forwarded.forEach((signal) => process.on(signal, forward));
  child.on("error", (error) => fail("cannot start " + node + ": " + error.message));
  child.on("exit", (status, signal) => {
    forwarded.forEach((name) => process.removeListener(name, forward));
    if (signal === null) process.exitCode = status;
    else {
      // Die of the same signal; the status is for one that cannot kill us.
      process.exitCode = 128 + constants.signals[signal];
      process.kill(process.pid, signal);
    }
  });
}

if (isNewEnough(process.versions.node)) {
  delete process.env[CONTINUED];
  if (existsSync(entry)) {
    import(entry.href).catch((error) => {
      process.stderr.write((error && error.stack ? error.stack : String(error)) + "\n");
      process.exitCode = 1;
    });
  } else {
    fail(
      "rootlift is not built: " +
        fileURLToPath(entry) +
        " is missing\n  Run `npm run build` first.",
    );
  }
} else {
  const node = process.env[CONTINUED] === undefined ? nodeOfProject() : undefined;
  if (node !== undefined) continueWith(node);
  else {
    fail(
      "rootlift needs Node " +
        NEEDED +
        " or newer; this is Node " +
        process.versions.node +
        "\n  Install a newer Node from https://nodejs.org, or run `npm ci` where rootlift is, which brings one.",
    );
  }
}
