import { randomInt } from "node:crypto";

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";
const LENGTH = 20;
const TOKEN = /^[0-9a-z]{20}$/;
const SNAPSHOT_PREFIX = "snap_";

/** 20 lower-case letters and digits: 103 random bits, so that stores can be merged without a clash. */
export function randomToken(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}

export function newImageId(): string {
  return `sandbox_template_${randomToken()}`;
}

/**
 * An import and its snapshot share one token. That is how recovery knows whose a half-made snapshot is, without a
 * record that a crash could lose.
 */
export function snapshotIdOf(ingestId: string): string {
  return SNAPSHOT_PREFIX + ingestId;
}

/** The reverse of `snapshotIdOf`. */
export function ingestIdOf(snapshotId: string): string {
  return snapshotId.slice(SNAPSHOT_PREFIX.length);
}

export function isIngestId(text: string): boolean {
  return TOKEN.test(text);
}

/** Ids become names of directories: whatever is read back is checked first. */
export function isSnapshotId(text: string): boolean {
  return text.startsWith(SNAPSHOT_PREFIX) && TOKEN.test(ingestIdOf(text));
}
