import { printable, type SandboxImageFile } from "../index.ts";

const TYPE_LETTERS: Readonly<Record<SandboxImageFile["type"], string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  "character-device": "c",
  "block-device": "b",
  fifo: "p",
  socket: "s",
};
/** Longer than any path that a system call takes. */
const PATH_LENGTH = 16_384;

/** A line as of `ls -l`: numeric owners, time in UTC, columns that need not know what else is listed. */
export function fileLine(
  file: SandboxImageFile,
  { wholePaths }: { readonly wholePaths: boolean },
): string {
  const { type, mode, links, uid, gid, path, linkTarget } = file;
  const name = wholePaths ? path : path.slice(path.lastIndexOf("/") + 1);
  return [
    TYPE_LETTERS[type] + permissionLetters(mode),
    String(links).padStart(3),
    String(uid).padStart(5),
    String(gid).padStart(5),
    sizeText(file).padStart(11),
    file.mtime.slice(0, "YYYY-MM-DDTHH:MM".length).replace("T", " "),
    printable(name, PATH_LENGTH),
    ...(linkTarget === undefined ? [] : ["->", printable(linkTarget, PATH_LENGTH)]),
  ].join(" ");
}

function sizeText({ sizeBytes, deviceMajor, deviceMinor }: SandboxImageFile): string {
  return deviceMajor === undefined ? String(sizeBytes) : `${deviceMajor}, ${deviceMinor ?? 0}`;
}

/** `rwsr-xr-t` */
function permissionLetters(mode: number): string {
  const letters = [8, 7, 6, 5, 4, 3, 2, 1, 0].map((bit) =>
    ((mode >> bit) & 1) === 1 ? "xwr"[bit % 3] : "-",
  );
  const special = [
    { bit: 11, at: 2, letter: "s" },
    { bit: 10, at: 5, letter: "s" },
    { bit: 9, at: 8, letter: "t" },
  ];
  for (const { bit, at, letter } of special) {
    if (((mode >> bit) & 1) === 0) continue;
    letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
  }
  return letters.join("");
}
