import { printable, type SandboxTemplate } from "../index.ts";
import { formatBytes } from "./quantities.ts";

const LABEL_COLUMNS = 13;
const VALUE_LENGTH = 4000;
/** Their keys are data: printed as they are. */
const MAPS = new Set(["labels"]);
/** Docker's exec form, so one line of JSON. */
const EXEC_FORMS = new Set(["cmd", "entrypoint"]);

/**
 * An image as labelled lines: name, id and snapshot first, every other field in key order, the key with its first letter
 * raised. Objects and lists stand below their label, indented by two.
 */
export function descriptionLines(image: SandboxTemplate): readonly string[] {
  const { name, id, snapshotId, ...rest } = image;
  return [
    labelled("Name", scalar("name", name)),
    labelled("ID", scalar("id", id)),
    labelled("Snapshot ID", scalar("snapshotId", snapshotId)),
    ...sortedEntries(rest).flatMap(([key, value]) => fieldLines(key, raised(key), value)),
  ];
}

function fieldLines(key: string, label: string, value: unknown): readonly string[] {
  if (key === "dockerfile" && typeof value === "string") {
    const lines = value.replace(/\n$/, "").split("\n");
    return block(
      label,
      lines.map((line) => printable(line.replace(/\r$/, ""), VALUE_LENGTH)),
    );
  }
  if (EXEC_FORMS.has(key)) return [labelled(label, scalar(key, value))];
  if (Array.isArray(value)) {
    return value.length === 0
      ? [labelled(label, "-")]
      : block(
          label,
          value.map((item: unknown) => listItem(item)),
        );
  }
  if (typeof value === "object" && value !== null) {
    const entries = sortedEntries(value);
    if (entries.length === 0) return [labelled(label, "-")];
    return block(
      label,
      entries.flatMap(([inner, innerValue]) =>
        MAPS.has(key)
          ? [`${printable(inner)}: ${scalar(inner, innerValue)}`]
          : fieldLines(inner, raised(inner), innerValue),
      ),
    );
  }
  return [labelled(label, scalar(key, value))];
}

function block(label: string, lines: readonly string[]): readonly string[] {
  return [`${label}:`, ...lines.map((line) => `  ${line}`)];
}

/** A layer reads `sha256:… (3.41 MiB)`. */
function listItem(item: unknown): string {
  if (typeof item === "object" && item !== null && "digest" in item && "sizeBytes" in item) {
    const size = typeof item.sizeBytes === "number" ? ` (${formatBytes(item.sizeBytes)})` : "";
    return `${scalar("digest", item.digest)}${size}`;
  }
  return scalar("", item);
}

/** Byte counts exactly, and readable behind it. */
function scalar(key: string, value: unknown): string {
  if (typeof value === "string") return value === "" ? "-" : printable(value, VALUE_LENGTH);
  if (typeof value === "number" && key.endsWith("Bytes")) return `${value} (${formatBytes(value)})`;
  return value === undefined || value === null
    ? "-"
    : printable(JSON.stringify(value), VALUE_LENGTH);
}

function labelled(label: string, value: string): string {
  return `${`${label}:`.padEnd(LABEL_COLUMNS - 1)} ${value}`;
}

function raised(key: string): string {
  const shown = printable(key);
  return shown.charAt(0).toUpperCase() + shown.slice(1);
}

function sortedEntries(value: object): readonly (readonly [string, unknown])[] {
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
}
