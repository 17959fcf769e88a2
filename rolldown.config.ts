import { defineConfig } from "rolldown";
import manifest from "./package.json" with { type: "json" };

const packages = Object.keys(manifest.dependencies);

/**
 * The library, the command and the worker, with what they share, as a few files in one folder: with one file a module, finding and
 * compiling hundreds of them was a third of a second of every command. Packages stay outside.
 */
export default defineConfig({
  input: {
    index: "src/index.ts",
    main: "src/cli/main.ts",
    // Beside whatever file `src/pool/start-worker.ts` comes into, which looks for it there.
    "worker-main": "src/pool/worker-main.ts",
    "inflate-main": "src/pool/inflate-main.ts",
  },
  platform: "node",
  external: (id) => packages.some((name) => id === name || id.startsWith(`${name}/`)),
  output: { dir: "dist", format: "esm", sourcemap: true },
});
