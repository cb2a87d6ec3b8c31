/**
 * Writes the text of a frame straight into a growing buffer, for `codec.ts`. A frame built as one string would be a
 * large object for the collector, and a server with many readers would make hundreds of megabytes of them before the
 * first is collected. The bytes are valid until the next `reset`.
 */

/** Most bytes that one UTF-16 unit takes in UTF-8. */
const BYTES_PER_UNIT = 3;
/** Of one read of base64, a multiple of 3 so that the parts join without padding. */
const BASE64_STEP_BYTES = 12 * 1024;

export class TextWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacityBytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(capacityBytes);
  }

  reset(): void {
    this.#length = 0;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  text(value: string): void {
    this.#reserve(value.length * BYTES_PER_UNIT);
    this.#length += this.#buffer.write(value, this.#length);
  }

  base64(bytes: Uint8Array): void {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < view.length; at += BASE64_STEP_BYTES) {
      const part = view.toString('base64', at, Math.min(at + BASE64_STEP_BYTES, view.length));
      this.#reserve(part.length);
      this.#length += this.#buffer.write(part, this.#length, 'latin1');
    }
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#length + more, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
