/** The ustar header as the fuzzer sees it; written beside the decoder's, not from it. */
export const BLOCK = 512;

export const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  typeflag: [156, 1],
  linkname: [157, 100],
  magic: [257, 8],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
  sparse: [386, 96],
  extended: [482, 1],
  realSize: [483, 12],
} as const;
export type FieldName = keyof typeof FIELDS;

/** Where headers lie: blocks whose checksum holds. */
export function headersOf(archive: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = 0; at + BLOCK <= archive.length; at += BLOCK) {
    const block = archive.subarray(at, at + BLOCK);
    if (block[156] === 0 && block[0] === 0 && block[148] === 0) continue;
    const stated = Number.parseInt(Buffer.from(block.subarray(148, 155)).toString("latin1"), 8);
    if (stated === checksumOf(block)) found.push(at);
  }
  return found;
}

/** Makes the header at this place valid again. */
export function sealHeader(archive: Buffer, at: number): void {
  if (at + BLOCK > archive.length) return;
  const sum = checksumOf(archive.subarray(at, at + BLOCK));
  archive.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
}

function checksumOf(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK; at++) {
    if (at < 148 || at >= 156) sum += block[at] ?? 0;
  }
  return sum;
}

export function headerBlock(typeflag: string, name: string, sizeBytes: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100, "latin1");
  block.write("0000644\0", 100, "latin1");
  block.write("0000000\0", 108, "latin1");
  block.write("0000000\0", 116, "latin1");
  block.write(`${sizeBytes.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  block.write("14000000000\0", 136, "latin1");
  block.write(typeflag, 156, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  sealHeader(block, 0);
  return block;
}

export function padded(body: Uint8Array): Buffer {
  return Buffer.concat([body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)]);
}

/** `length key=value\n`, the length counting itself. */
export function paxRecord(key: string, value: string): Buffer {
  const body = ` ${key}=${value}\n`;
  let length = body.length;
  while (String(length).length + body.length !== length)
    length = String(length).length + body.length;
  return Buffer.from(`${length}${body}`, "latin1");
}
