/**
 * A compacted topic in memory: the newest value of each key, for joins. It takes the topic's chunks as they come and
 * holds values as the bytes they are stored in, decoding a row when it is asked for. Rows asked for again soon are
 * kept decoded and frozen, since several records see the same one.
 */
import { type Limits, SluiceError } from '#kernel';
import { asBuffer, readUtf8 } from '#log';
import { RecordCursor } from '#record';
import type { Serde } from './serdes.ts';
import type { TableView } from './task.ts';

/** Bytes of rows that are kept decoded as well. */
const DECODED_BYTES_MAX = 4 * 1024 * 1024;
/** Memory of a row beside its characters, about. */
const ROW_BYTES = 88;

export class MaterialisedTable implements TableView {
  readonly #serde: Serde<unknown>;
  readonly #bytesMax: number;
  /** Values as strings of their bytes: for small rows a fraction of what byte arrays take. */
  readonly #rows = new Map<string, string>();
  #decoded = new Map<string, unknown>();
  #decodedBytes = 0;
  #bytes = 0;
  readonly #cursor = new RecordCursor();

  constructor(serde: Serde<unknown>, limits: Limits) {
    this.#serde = serde;
    this.#bytesMax = limits.tableBytesMax;
  }

  get entries(): number {
    return this.#rows.size;
  }

  /** About. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes over the records of whole batches from offset `from` on, a later one over an earlier one; one without a value
   * deletes. Records without a key are of no row and are passed over. What was applied before an error stays.
   * @throws STATE_FULL, VALUE_MALFORMED for a key that is not text, BATCH_MALFORMED
   */
  apply(chunk: Uint8Array, from = 0): void {
    const buffer = asBuffer(chunk);
    const cursor = this.#cursor;
    for (let at = 0; at < buffer.length; ) {
      at += cursor.open(buffer, at).byteLength;
      const bytes = asBuffer(cursor.bytes);
      while (cursor.next()) {
        if (cursor.keyLength < 0 || cursor.offset < from) continue;
        const key = readUtf8(bytes, cursor.keyAt, cursor.keyAt + cursor.keyLength, 'a key');
        const { valueAt, valueLength } = cursor;
        this.#put(key, valueLength < 0 ? null : bytes.toString('latin1', valueAt, valueAt + valueLength));
      }
    }
  }

  #put(key: string, value: string | null): void {
    const before = this.#rows.get(key);
    this.#decoded.delete(key);
    const freed = before === undefined ? 0 : ROW_BYTES + key.length + before.length;
    const taken = value === null ? 0 : ROW_BYTES + key.length + value.length;
    const bytes = this.#bytes - freed + taken;
    if (bytes > this.#bytesMax && taken > freed) {
      throw new SluiceError('STATE_FULL', `a table of about ${bytes} bytes is over ${this.#bytesMax}`, { bytes });
    }
    this.#bytes = bytes;
    if (value === null) this.#rows.delete(key);
    else this.#rows.set(key, value);
  }

  /** The row, frozen; undefined when there is none. @throws VALUE_MALFORMED when its bytes are not what was declared */
  get(key: string): unknown {
    const found = this.#decoded.get(key);
    if (found !== undefined) return found;
    const packed = this.#rows.get(key);
    return packed === undefined ? undefined : this.#decode(key, packed);
  }

  #decode(key: string, packed: string): unknown {
    const bytes = Buffer.from(packed, 'latin1');
    let row: unknown;
    try {
      row = freeze(this.#serde.decode(bytes, 0, bytes.length));
    } catch (error) {
      throw new SluiceError('VALUE_MALFORMED', `the row of ${key} cannot be read`, {}, error);
    }
    if (this.#decodedBytes + packed.length + ROW_BYTES > DECODED_BYTES_MAX) {
      this.#decoded = new Map();
      this.#decodedBytes = 0;
    }
    this.#decodedBytes += packed.length + ROW_BYTES;
    this.#decoded.set(key, row);
    return row;
  }
}

/** Deeply; byte arrays, which cannot be, stay as they are. */
function freeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
