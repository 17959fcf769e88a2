import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { rootRows, rowDifferences } from "../root-rows.ts";
import { runProgram, type ProgramRun } from "../run-program.ts";
import { storeListing } from "../store-listing.ts";
import type { PullLab, PushedImage } from "./pull-lab.ts";

/** One set-up that people have, and what must come of it. */
export interface SceneScript {
  /** Part of `npm test`. */
  readonly short?: true;
  readonly name: string;
  readonly play: (scene: Scene) => Promise<void>;
}

export type Peer = "skopeo" | "podman";

export interface Pull {
  /** `registry.test:4711` */
  readonly host: string;
  readonly image: PushedImage;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Who must come to the same end in the same set-up. Default: skopeo. */
  readonly peers?: readonly Peer[];
  /** Options of skopeo and podman that mean what `args` mean. */
  readonly peerArgs?: readonly string[];
}

export interface Refusal {
  readonly code: string;
  /** What the text must say: what, where, why, and what to do. */
  readonly says: readonly (string | RegExp)[];
}

/** All secrets of all scenes begin with it: none may be printed. */
export const SECRET = "hunter2";

/** A scene being played: a home of its own, what was started for it, and the pulls of it. */
export class Scene {
  readonly lab: PullLab;
  readonly home: string;
  readonly #closers: (() => Promise<void> | void)[] = [];
  #pulls = 0;

  constructor(lab: PullLab) {
    this.lab = lab;
    this.home = mkdtempSync(join(tmpdir(), "rootlift-scene-"));
    mkdirSync(join(this.home, "run"));
    this.#closers.push(() => rmSync(this.home, { recursive: true, force: true }));
  }

  /** What was started is closed at the end of the scene, the last first. */
  async with<Started extends { close(): Promise<void> | void }>(
    starting: Promise<Started>,
  ): Promise<Started> {
    const started = await starting;
    this.#closers.push(() => started.close());
    return started;
  }

  /** A file of /etc, for the scene. */
  etc(path: string, content: string): void {
    this.lab.machine.writeEtc(path, content);
    this.#closers.push(() => this.lab.machine.writeEtc(path, undefined));
  }

  /** A file below the home. @returns its path */
  write(path: string, content: string, mode = 0o600): string {
    const target = join(this.home, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content, { mode });
    return target;
  }

  /** The import succeeds, and makes the tree that the image has; the peers succeed too. @returns our run */
  async pulls(pull: Pull): Promise<ProgramRun> {
    const run = await this.import(pull);
    this.judgeSuccess(run, pull.image);
    for (const peer of pull.peers ?? ["skopeo"]) {
      const theirs = await this.#peer(peer, pull);
      assert.equal(theirs.exitCode, 0, `${peer}, in the same set-up: ${theirs.stderr}`);
    }
    return run;
  }

  /** The import fails with this error, prints no secret and leaves nothing; the peers fail too. @returns our run */
  async refuses(pull: Pull, refusal: Refusal): Promise<ProgramRun> {
    const run = await this.import(pull);
    this.judgeRefusal(run, refusal);
    for (const peer of pull.peers ?? ["skopeo"]) {
      const theirs = await this.#peer(peer, pull);
      assert.notEqual(theirs.exitCode, 0, `${peer} succeeds in the same set-up`);
    }
    return run;
  }

  judgeSuccess(run: ProgramRun, image: PushedImage): void {
    assert.equal(run.exitCode, 0, run.stderr);
    tellsNoSecret(run);
    // The record of README's `import --json`.
    const { path }: { path: string } = JSON.parse(run.stdout);
    const differences = rowDifferences(rootRows(path), image.rows);
    assert.deepEqual(differences.slice(0, 5), [], "ours is not what umoci makes of the image");
  }

  judgeRefusal(run: ProgramRun, { code, says }: Refusal): void {
    const { exitCode, stdout, stderr } = run;
    assert.equal(exitCode, 1, `ended with ${exitCode}: ${stderr}`);
    assert.equal(stdout, "");
    tellsNoSecret(run);
    assert.deepEqual(stderr.match(/^Error: .*/gm)?.length, 1, stderr);
    assert.match(stderr, new RegExp(`^Error: .*\\[${code}\\]$`, "m"), stderr);
    for (const words of says) {
      const said = typeof words === "string" ? stderr.includes(words) : words.test(stderr);
      assert.ok(said, `the text lacks ${String(words)}: ${stderr}`);
    }
    assert.deepEqual(storeListing(this.#store()), { snapshots: [], ingests: [], other: [] });
  }

  /** Our import alone, whatever comes of it. */
  async import({ host, image, env, args = [] }: Pull): Promise<ProgramRun> {
    this.#pulls += 1;
    const [node = "", ...script] = [...this.lab.command];
    const reference = `${host}/${image.name}`;
    const options = ["--format", "dir", "--json", "--verbose", "--no-fsync", ...args];
    const command = [node, ...script, "sbx", "image", "import", reference, ...options];
    const name = ["--registered-name", `pull-${this.#pulls}`];
    return this.run([...command, ...name], { ...env, ROOTLIFT_HOME: this.#store() });
  }

  /** Any program on the lab's machine, in the scene's home. */
  async run(
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<ProgramRun> {
    const [enter = "", ...entered] = this.lab.machine.enter;
    const own = Object.entries({
      PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`,
      HOME: this.home,
      XDG_RUNTIME_DIR: join(this.home, "run"),
      TMPDIR: tmpdir(),
      LC_ALL: "C",
      ...env,
    }).map(([name, value]) => `${name}=${value}`);
    return runProgram(enter, [...entered, "env", "-i", ...own, ...command]);
  }

  /** Returns when the import under way has written so much of the image, or has ended. */
  async untilPlaced(bytes: number, running: Promise<unknown>): Promise<void> {
    const state = { ended: false };
    const over = (): void => {
      state.ended = true;
    };
    running.then(over, over);
    while (!state.ended && sizeBelow(join(this.#store(), "ingest")) < bytes) await sleep(20);
    assert.ok(!state.ended, "the import ended before it was interrupted");
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }

  async #peer(peer: Peer, pull: Pull): Promise<ProgramRun> {
    const { host, image, env, peerArgs = [] } = pull;
    const reference = `docker://${host}/${image.name}`;
    const place = mkdtempSync(join(this.home, `${peer}-`));
    const command =
      peer === "skopeo"
        ? ["skopeo", "copy", "-q", ...peerArgs, reference, `dir:${place}`]
        : [...podman(place), "pull", "-q", ...peerArgs, reference];
    return this.run(command, { ...env });
  }

  #store(): string {
    return join(this.home, "store");
  }
}

function podman(place: string): readonly string[] {
  const roots = ["--root", join(place, "root"), "--runroot", join(place, "run")];
  return ["podman", ...roots, "--storage-driver", "vfs", "--events-backend", "none"];
}

function tellsNoSecret({ stdout, stderr }: ProgramRun): void {
  const encoded = Buffer.from(`alice:${SECRET}`).toString("base64").slice(0, 12);
  for (const secret of [SECRET, encoded, "eyJ0eXAi"]) {
    assert.ok(!`${stdout}${stderr}`.includes(secret), `it printed a secret: ${stderr}`);
  }
}

function sizeBelow(path: string): number {
  if (!existsSync(path)) return 0;
  try {
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
  } catch {
    // Something was renamed or removed while we looked.
    return 0;
  }
}
