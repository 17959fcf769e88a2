import { spawnSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadCases } from "./support/case-kit/case-json.ts";
import { caseDiffIds } from "./support/case-kit/case-layout.ts";

const files = globSync(join(import.meta.dirname, "../testdata/corpus/layers/*.json")).toSorted();
const otherKit = join(import.meta.dirname, "../../shared/lab/cases.py");
const canaryPath = "/tmp/layer-canary";

/** Builds every archive of the given files with the Python kit: `{"file/case": [diffId, …]}`. */
const PROGRAM = `
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("cases", sys.argv[1])
kit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kit)
kit.canary = "${canaryPath}"
def diff_id(layer):
    return kit.sha(kit.raw_bytes(layer["blobBytes"]) if "blobBytes" in layer else kit.tar_archive(layer))
print(json.dumps({case["_file"] + "/" + case["name"]: [diff_id(layer) for layer in case["layers"] if "bomb" not in layer]
                  for file in sys.argv[2:] for case in kit.load(file)}))
`;

test("both case kits build the same archives: equal diffIds for every case, where the other kit is present", () => {
  const ours = Object.fromEntries(
    files
      .flatMap(loadCases)
      .map((layerCase) => [
        `${layerCase.file}/${layerCase.name}`,
        caseDiffIds(layerCase, { canaryPath }),
      ]),
  );
  expect(Object.keys(ours).length).toBeGreaterThan(300);
  if (!existsSync(otherKit)) return;
  const run = spawnSync("python3", ["-c", PROGRAM, otherKit, ...files], { maxBuffer: 2 ** 28 });
  expect(run.stderr.toString()).toBe("");
  expect(ours).toEqual(JSON.parse(run.stdout.toString()));
});
