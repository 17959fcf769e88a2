/** A process that uses a store: `node store-process.ts JOB`, a job as JSON; it prints an outcome as JSON. */
import { accessSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ImportError, serializeError } from "../../src/errors.ts";
import { openMaintenance } from "../../src/store/open-maintenance.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { TRACE_MARK } from "./run-store-process.ts";
import { fakeImport, importRequest, makeRootfs } from "./fake-import.ts";
import { requireSoundStore } from "./store-invariants.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    home: { type: "string", default: "" },
    name: { type: "string", multiple: true, default: [] },
    content: { type: "string", default: String(process.pid) },
    output: { type: "string" },
    replace: { type: "boolean", default: false },
    fsync: { type: "boolean", default: false },
  },
});
const [action = ""] = positionals;

function say(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function request(name: string): ReturnType<typeof importRequest> {
  return importRequest(name, {
    replace: values.replace,
    fsync: values.fsync,
    ...(values.output === undefined ? {} : { outputPath: values.output }),
  });
}

async function tryImport(store: Store, name: string): Promise<void> {
  try {
    await fakeImport(store, request(name), values.content);
    say({ name, won: true, content: values.content });
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    say({ name, won: false, ...serializeError(error) });
  }
}

async function act(store: Store): Promise<void> {
  switch (action) {
    case "import":
      for (const name of values.name) await tryImport(store, name);
      return;
    case "hold": {
      const ingest = await store.beginIngest(request(values.name[0] ?? ""));
      makeRootfs(ingest.rootfsPath, values.content);
      say({ id: ingest.id, stagingPath: ingest.stagingPath });
      setInterval(() => undefined, 1000);
      await new Promise(() => undefined);
      return;
    }
    case "hold-export": {
      const place = store.openExport({
        kind: values.content === "file" ? "file" : "directory",
        outputPath: values.output ?? "",
        replace: false,
        fsync: values.fsync,
        name: values.name[0] ?? "",
        project: "default",
      });
      if (values.content === "file") writeFileSync(place.growingPath, "half of it");
      else makeRootfs(place.growingPath, values.content);
      say({ growingPath: place.growingPath });
      setInterval(() => undefined, 1000);
      await new Promise(() => undefined);
      return;
    }
    case "remove":
      try {
        await store.removeImage(values.name[0] ?? "", "default");
        say({ removed: true });
      } catch (error) {
        if (!(error instanceof ImportError)) throw error;
        say({ removed: false, ...serializeError(error) });
      }
      return;
    case "churn":
      for (let round = 0; ; round += 1) {
        for (const name of values.name) {
          await fakeImport(store, request(name), `${process.pid}.${round}`);
          if (round % 3 === 2) await store.removeImage(name, "default");
        }
        if (round === 0) say({ churning: true });
      }
    case "check":
      say({ contents: await requireSoundStore(store) });
      return;
    case "list":
      say({
        names: (await store.catalog.list({ project: "default" })).map(({ image }) => image.name),
      });
      return;
    default:
      throw new Error(`unknown action ${action}`);
  }
}

try {
  accessSync(TRACE_MARK);
} catch {
  // Only seen by strace.
}
try {
  if (action === "repair") {
    // No store can be opened that has to be repaired.
    await openMaintenance({ homePath: values.home, env: {} }).repair();
    say({ repaired: true });
  } else {
    const store = await openStore({ homePath: values.home, env: {} });
    await act(store);
    store.close();
  }
} catch (error) {
  if (!(error instanceof ImportError)) throw error;
  say({ failed: true, ...serializeError(error) });
}
