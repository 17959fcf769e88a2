import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";

/** Unpacks an archive with GNU tar, exactly as far as this user may. @param directoryPath is made */
export function extractTar(tarPath: string, directoryPath: string): void {
  mkdirSync(directoryPath);
  const exact = ["--preserve-permissions", "--same-owner", "--numeric-owner", "--xattrs"];
  execFileSync(
    "tar",
    ["-x", "-f", tarPath, "-C", directoryPath, ...exact, "--xattrs-include=*", "--warning=none"],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
}
