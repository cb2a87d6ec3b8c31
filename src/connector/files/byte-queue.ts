/** Bytes of a file in the order they are asked for, holding a chunk at a time. Used by readers of formats with lengths in them. */

export class ByteQueue {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array(0);
  /** Where the next byte is, from where it was opened. */
  #position = 0;

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#chunks = bytes[Symbol.asyncIterator]();
  }

  get position(): number {
    return this.#position;
  }

  async ended(): Promise<boolean> {
    while (this.#held.length === 0) if (!(await this.#more())) return true;
    return false;
  }

  /** Undefined where the file has fewer. */
  async take(count: number): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    let missing = count;
    while (missing > 0) {
      if (this.#held.length === 0 && !(await this.#more())) return undefined;
      const part = this.#held.subarray(0, missing);
      parts.push(part);
      this.#held = this.#held.subarray(part.length);
      missing -= part.length;
    }
    this.#position += count;
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
  }

  /** A whole number in groups of seven bits, the lowest first; undefined where the file ends, or has none. */
  async takeVarint(): Promise<bigint | undefined> {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = (await this.take(1))?.[0];
      if (byte === undefined) return undefined;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #more(): Promise<boolean> {
    const step = await this.#chunks.next();
    if (step.done === true) return false;
    this.#held = step.value;
    return true;
  }
}
