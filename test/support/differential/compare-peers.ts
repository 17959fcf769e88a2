import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isObject, isList, parseJson, type Json, type LayerCase } from "../case-kit/case-json.ts";
import { writeCaseLayout } from "../case-kit/case-layout.ts";
import { importInProcess } from "../case-kit/import-case.ts";
import { rootRows } from "../root-rows.ts";
import { imageDifferences } from "./compare-images.ts";
import type { Jail } from "./jail.ts";
import { treeDifferences } from "./tree-differences.ts";

export const PEERS = ["umoci", "tar", "bsdtar"] as const;
export type Peer = (typeof PEERS)[number];

/**
 * What a peer did beside us. `agrees`: the same tree, or both refuse; `refuses`, `accepts`: the other verdict;
 * `differs`: another tree; `escapes`: it changed what lies outside its root.
 */
export interface Outcome {
  readonly peer: Peer;
  readonly kind: "agrees" | "refuses" | "accepts" | "differs" | "escapes";
  readonly detail: string;
}

/** umoci unpacks images; the archivers one layer, as it is stored. */
const COMMANDS: Readonly<
  Record<Peer, (places: { image: string; blob: string; root: string }) => readonly string[]>
> = {
  umoci: ({ image, root }) => ["umoci", "raw", "unpack", "--image", image, root],
  tar: ({ blob, root }) =>
    `tar -x -p --same-owner --numeric-owner --xattrs --xattrs-include=* --warning=none`
      .split(" ")
      .concat("-f", blob, "-C", root),
  bsdtar: ({ blob, root }) =>
    `bsdtar -x -p --same-owner --numeric-owner --xattrs`.split(" ").concat("-f", blob, "-C", root),
};

export interface ComparePlace {
  readonly jail: Jail;
  /** In the writable directory of the jail; not there yet, and gone afterwards. */
  readonly work: string;
  /** Where umoci has our tree, our ext4 image must also show what mkfs.ext4 makes of umoci's. */
  readonly images?: boolean;
}

/** Imports a case and gives it to every peer that can read it. */
export async function comparePeers(
  layerCase: LayerCase,
  place: ComparePlace,
): Promise<readonly Outcome[]> {
  const { work } = place;
  try {
    return await compareIn(layerCase, place);
  } finally {
    spawnSync("rm", ["-rf", "--", work]);
  }
}

async function compareIn(
  layerCase: LayerCase,
  { jail, work, images }: ComparePlace,
): Promise<readonly Outcome[]> {
  const canaryPath = join(work, "canary");
  mkdirSync(join(canaryPath, "dir"), { recursive: true });
  writeFileSync(join(canaryPath, "file"), "canary\n");
  writeFileSync(join(canaryPath, "dir/inner"), "canary\n");
  symlinkSync("file", join(canaryPath, "link"));
  writeCaseLayout(layerCase, join(work, "layout"), { canaryPath });
  const canary = rootRows(canaryPath).join("\n");
  const ours = await importInProcess(work, join(work, "ours"), { format: "dir" });
  // What an image says of its layers, an archiver never hears.
  const { file, fields } = layerCase;
  const aboutImages = file.startsWith("image") || fields["configBytes"] !== undefined;
  const blob = aboutImages ? undefined : onlyLayer(join(work, "layout"));
  const outcomes: Outcome[] = [];
  for (const peer of PEERS) {
    if (peer !== "umoci" && blob === undefined) continue;
    // Two directories of its own: umoci 0.4.7 deletes what holds its root when a whiteout says so.
    const root = join(work, peer, "place/root");
    mkdirSync(peer === "umoci" ? join(root, "..") : root, { recursive: true });
    const image = `${join(work, "layout")}:case`;
    const theirs = await jail.run(COMMANDS[peer]({ image, blob: blob ?? "", root }));
    const said = theirs.stderr.trim().slice(-200).replaceAll("\n", " ");
    const tell = (kind: Outcome["kind"], detail: string): number =>
      outcomes.push({ peer, kind, detail });
    if (rootRows(canaryPath).join("\n") !== canary) tell("escapes", said);
    else if (ours.exitCode === 0 && theirs.exitCode !== 0) tell("refuses", said);
    else if (ours.exitCode !== 0) {
      if (theirs.exitCode === 0) tell("accepts", ours.stderr);
      else tell("agrees", "both refuse");
    } else if (!existsSync(root)) tell("differs", "no root");
    else {
      const differences = [...treeDifferences(join(work, "ours"), root)];
      if (images === true && peer === "umoci" && differences.length === 0) {
        differences.push(...(await imageDifferences(work, root)));
      }
      if (differences.length > 0) tell("differs", differences.join("; ").slice(0, 2000));
      else tell("agrees", "the same tree");
    }
  }
  return outcomes;
}

/** The blob of the only layer, where there is one under its digest; an archiver knows nothing else of an image. */
function onlyLayer(layout: string): string | undefined {
  const first = (document: Json, key: string): string | undefined => {
    const list = isObject(document) ? document[key] : undefined;
    const [item, more] = isList(list) ? list : [];
    const digest = isObject(item) && more === undefined ? item["digest"] : undefined;
    return typeof digest === "string" && /^sha256:[0-9a-f]{64}$/.test(digest)
      ? join(layout, "blobs/sha256", digest.slice("sha256:".length))
      : undefined;
  };
  try {
    const manifest = first(
      parseJson(readFileSync(join(layout, "index.json"), "utf8")),
      "manifests",
    );
    if (manifest === undefined) return undefined;
    const blob = first(parseJson(readFileSync(manifest, "utf8")), "layers");
    return blob !== undefined && statSync(blob).isFile() ? blob : undefined;
  } catch {
    // A case whose manifest is none, or whose blob is missing.
    return undefined;
  }
}
