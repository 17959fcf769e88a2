const LATIN = "latin1";

/**
 * The name of a member of an archive as others look it up: bytes as Latin-1, components joined by one `/`, without `.`.
 * @returns `undefined` for what is no name inside: absolute, with `..` or a NUL; empty for the root
 */
export function memberName(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(LATIN);
  return text.startsWith("/") ? undefined : cleanName(text.split("/"), "refuse");
}

/** The same of a name that a document of the archive has. */
export function memberNameOf(text: string): string | undefined {
  return memberName(Buffer.from(text));
}

/** What a symlink leads to, `..` included, as long as it stays inside. Links of directories are not followed. */
export function linkedName(link: string, target: Uint8Array): string | undefined {
  const text = Buffer.from(target).toString(LATIN);
  if (text.startsWith("/")) return undefined;
  return cleanName([...link.split("/").slice(0, -1), ...text.split("/")], "go up");
}

function cleanName(parts: readonly string[], whenUp: "refuse" | "go up"): string | undefined {
  const clean: string[] = [];
  for (const part of parts) {
    if (part.includes("\0")) return undefined;
    if (part === "..") {
      if (whenUp === "refuse" || clean.pop() === undefined) return undefined;
    } else if (part !== "" && part !== ".") clean.push(part);
  }
  return clean.join("/");
}
