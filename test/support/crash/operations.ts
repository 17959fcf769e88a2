import { join } from "node:path";
import type { Random } from "../../fuzz/random.ts";
import { DISK_MB, type CrashImage } from "./crash-images.ts";
import {
  FORMATS,
  type CrashStore,
  type Effect,
  type Format,
  type KnownImage,
} from "./crash-store.ts";

/** A command line to be killed. */
export interface Operation {
  /** A row of the histogram. */
  readonly kind: string;
  /** After `tl`. */
  readonly args: readonly string[];
  /** The name that it is about; whatever happens, the next import of it must work. */
  readonly name: string;
  /** What it prints on its way, in this order. */
  readonly lines: readonly RegExp[];
  readonly effect: Effect;
  /** Left alone, it fails with this. */
  readonly refusal?: string;
  /** What happens to the catalog before. */
  readonly damage?: CatalogDamage;
}

/** Gone, unreadable, or without the rows of one snapshot. */
export type CatalogDamage = "lost" | "garbage" | "rows";

export const IMPORT_LINES: Readonly<
  Record<"begin" | "resolved" | "pulled" | "seal" | "commit", RegExp>
> = {
  begin: /Importing registry image/,
  resolved: /Resolved /,
  pulled: /pulled and verified/,
  seal: /Writing the root filesystem/,
  commit: /Completing image registration/,
};
const NAMES = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
const MOST_NAMES = 14;

export interface Choice {
  readonly store: CrashStore;
  readonly images: readonly CrashImage[];
  /** Of the operation before: its name is used again more often than others. */
  readonly lastName: string;
  readonly number: number;
  readonly random: Random;
}

/** What comes next: it follows from the random numbers and from what is in the store. */
export function chooseOperation(choice: Choice): Operation {
  const { store, random } = choice;
  const crowded = store.names.size > MOST_NAMES;
  const draw = crowded ? 60 + random.below(12) : random.below(100);
  if (draw < 36) return importOperation(choice, nameFor(choice, false), "import");
  if (draw < 57) return importOperation(choice, nameFor(choice, true), "replacement");
  if (draw < 60) return refusedImport(choice);
  if (draw < 72) return removal(choice);
  if (draw < 83) return registration(choice);
  if (draw < 91) return exportOperation(choice);
  return maintenance(choice);
}

/** A name that is taken, or one that is free, where there is such a one. */
function nameFor({ store, lastName, random }: Choice, taken: boolean): string {
  const fits = (name: string): boolean => store.names.has(name) === taken;
  if (fits(lastName) && random.below(5) < 2) return lastName;
  const candidates = (taken ? [...store.names.keys()] : NAMES).filter(fits);
  return candidates.length === 0 ? lastName : random.pick(candidates);
}

export function importOperation(
  { store, images, number, random }: Omit<Choice, "lastName">,
  name: string,
  kind: string,
): Operation {
  const image = random.pick(images);
  const format = random.pick(usableFormats());
  const fromRegistry = random.below(3) > 0;
  const cache =
    fromRegistry && random.oneIn(2) ? ["--blob-cache", random.pick(["on", "200K"])] : [];
  const outputPath = random.oneIn(5) ? join(store.outputs, `image-${number}`) : undefined;
  const replaces = store.names.has(name);
  const args = [
    "sbx",
    "image",
    "import",
    fromRegistry ? image.registryReference : image.layoutReference,
    `--registered-name=${name}`,
    `--format=${format}`,
    `--disk_mb=${DISK_MB}`,
    "--cpus=1",
    "--verbose",
    ...(outputPath === undefined ? [] : ["--output", outputPath]),
    ...(replaces ? ["--replace"] : []),
    ...cache,
  ];
  const imported = {
    image,
    format,
    importName: name,
    ...(outputPath === undefined ? {} : { outputPath }),
  };
  return {
    kind: `${replaces ? "replacement" : kind} ${format}${cache.length > 0 ? " +cache" : ""}`,
    args,
    name,
    lines: Object.values(IMPORT_LINES),
    effect: { type: "import", name, imported },
  };
}

/** Only root writes a directory exactly. */
export function usableFormats(): readonly Format[] {
  return process.geteuid?.() === 0 ? FORMATS : FORMATS.filter((format) => format !== "dir");
}

function refusedImport(choice: Choice): Operation {
  const name = nameFor(choice, true);
  const { args, lines } = importOperation(choice, name, "");
  return {
    kind: "import, refused",
    args: args.filter((word) => word !== "--replace"),
    name,
    lines,
    effect: { type: "none" },
    refusal: "ERR_NAME_TAKEN",
  };
}

function removal(choice: Choice): Operation {
  const name = nameFor(choice, true);
  const args = ["sbx", "image", "rm", name];
  return { kind: "rm", args, name, lines: [], effect: { type: "remove", name } };
}

function registration(choice: Choice): Operation {
  const { store, random } = choice;
  const name = nameFor(choice, random.oneIn(2));
  // Another snapshot than it has: what changes nothing cannot be told from what was not done.
  const others = [...store.names.values()].filter(
    ({ snapshotId }) => snapshotId !== store.names.get(name)?.snapshotId,
  );
  if (others.length === 0) return removal(choice);
  const of: KnownImage = random.pick(others);
  const args = [
    "sbx",
    "image",
    "register",
    name,
    of.snapshotId,
    "--dockerfile=/dev/null",
    ...(store.names.has(name) ? ["--replace"] : []),
  ];
  const kind = store.names.has(name) ? "register --replace" : "register";
  return { kind, args, name, lines: [], effect: { type: "register", name, of } };
}

function exportOperation(choice: Choice): Operation {
  const { store, number, random } = choice;
  const name = nameFor(choice, true);
  const image = store.names.get(name)?.image ?? random.pick(choice.images);
  const archive = [...store.exports].find(([, { format }]) => format === "tar");
  const replaced = random.oneIn(3) ? archive?.[0] : undefined;
  const format = replaced === undefined ? random.pick(["tar", "dir"] as const) : "tar";
  const path = replaced ?? join(store.outputs, `export-${number}`);
  const args = [
    "sbx",
    "image",
    "export",
    name,
    `--format=${format}`,
    `--output=${path}`,
    ...(replaced === undefined ? [] : ["--replace"]),
  ];
  return {
    kind: `export ${format}${replaced === undefined ? "" : " --replace"}`,
    args,
    name,
    lines: [/Exporting image/],
    effect: { type: "export", path, exported: { image, format } },
  };
}

function maintenance({ lastName: name, random }: Choice): Operation {
  const plain = { name, lines: [], effect: { type: "none" } } as const;
  const draw = random.below(9);
  if (draw < 2) return { ...plain, kind: "store gc", args: ["store", "gc"] };
  if (draw < 3) return { ...plain, kind: "ls", args: ["sbx", "image", "ls"] };
  const repair = { ...plain, args: ["store", "check", "--repair"] };
  if (draw < 5) return { ...repair, kind: "store check --repair" };
  return {
    ...repair,
    kind: "repair, damaged",
    damage: random.pick(["lost", "garbage", "rows"] as const),
  };
}
