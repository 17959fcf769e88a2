/** Memory for the chunks of all layers of one client: so much in all, used again as long as there is a use for it. */
export class ChunkBuffers {
  readonly #chunkBytes: number;
  readonly #most: number;
  #free: Uint8Array[] = [];
  #used = 0;

  constructor(chunkBytes: number, budgetBytes: number) {
    this.#chunkBytes = chunkBytes;
    this.#most = Math.floor(budgetBytes / chunkBytes);
  }

  /** Bytes given out. */
  get usedBytes(): number {
    return this.#used * this.#chunkBytes;
  }

  /** @returns `undefined` when all are in use: whoever asks has to do without, and so nobody waits for anybody */
  take(): Uint8Array | undefined {
    if (this.#used === this.#most) return undefined;
    this.#used += 1;
    return this.#free.pop() ?? new Uint8Array(this.#chunkBytes);
  }

  give(buffer: Uint8Array): void {
    this.#used -= 1;
    this.#free.push(buffer);
    if (this.#used === 0) this.#free = [];
  }
}
