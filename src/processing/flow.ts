/**
 * A record on its way through a processor. Its key, value and headers are bytes of the batch it was read from until
 * something asks for them; what nothing asked for leaves as the same bytes. Operators of one line change and pass on
 * the same object, so where a stream divides all but the last consumer get a copy. The input's own object is used for
 * one record after the other: whoever wants to keep something keeps the value, not the record.
 */
import { SluiceError } from '#kernel';
import { asBuffer, readUtf8 } from '#log';
import { type Header, type RecordCursor, readHeaders } from '#record';
import type { Serde } from './serdes.ts';
import type { StreamRecord } from './stream.ts';

const NOTHING: Buffer = Buffer.alloc(0);
const NO_HEADERS: readonly Header[] = [];

export class Flow implements StreamRecord {
  topic = '';
  partition = 0;
  offset = -1;
  timestamp = 0;
  buffer: Buffer = NOTHING;
  keyAt = 0;
  /** -1: null. Meaningful while `keyInBytes`. */
  keyLength = -1;
  valueAt = 0;
  valueLength = -1;
  headersAt = 0;
  /** As `headersAt`: there are none. */
  headersEnd = 0;
  /** The format of the value's bytes. */
  serde: Serde<unknown> | null = null;
  keyInBytes = false;
  /** The bytes are still the value. */
  valueInBytes = false;
  #key: string | null = null;
  #keyRead = true;
  #value: unknown = null;
  #valueRead = true;

  /** A record that comes from no input. */
  static of(key: string | null, value: unknown, timestamp: number, partition: number): Flow {
    const flow = new Flow();
    flow.#key = key;
    flow.#value = value;
    flow.timestamp = timestamp;
    flow.partition = partition;
    return flow;
  }

  /** Becomes the record that the cursor is at. */
  read(cursor: RecordCursor): void {
    if (cursor.bytes !== this.buffer) this.buffer = asBuffer(cursor.bytes);
    this.offset = cursor.offset;
    this.timestamp = cursor.timestamp;
    this.keyAt = cursor.keyAt;
    this.keyLength = cursor.keyLength;
    this.valueAt = cursor.valueAt;
    this.valueLength = cursor.valueLength;
    this.headersAt = cursor.headersAt;
    this.headersEnd = cursor.headersEnd;
    this.keyInBytes = true;
    this.valueInBytes = true;
    this.#keyRead = false;
    this.#valueRead = false;
  }

  /** A copy that goes its own way. */
  copy(): Flow {
    const flow = new Flow();
    flow.topic = this.topic;
    flow.partition = this.partition;
    flow.offset = this.offset;
    flow.timestamp = this.timestamp;
    flow.buffer = this.buffer;
    flow.keyAt = this.keyAt;
    flow.keyLength = this.keyLength;
    flow.valueAt = this.valueAt;
    flow.valueLength = this.valueLength;
    flow.headersAt = this.headersAt;
    flow.headersEnd = this.headersEnd;
    flow.serde = this.serde;
    flow.keyInBytes = this.keyInBytes;
    flow.valueInBytes = this.valueInBytes;
    flow.#key = this.#key;
    flow.#keyRead = this.#keyRead;
    flow.#value = this.#value;
    flow.#valueRead = this.#valueRead;
    return flow;
  }

  /** @throws VALUE_MALFORMED */
  get key(): string | null {
    if (!this.#keyRead) {
      const { keyAt, keyLength } = this;
      this.#key = keyLength < 0 ? null : readUtf8(this.buffer, keyAt, keyAt + keyLength, 'a key');
      this.#keyRead = true;
    }
    return this.#key;
  }

  set key(key: string | null) {
    this.#key = key;
    this.#keyRead = true;
    this.keyInBytes = false;
  }

  /** @throws VALUE_MALFORMED */
  get value(): unknown {
    if (!this.#valueRead) {
      this.#value = this.valueLength < 0 ? null : this.#decode();
      this.#valueRead = true;
    }
    return this.#value;
  }

  set value(value: unknown) {
    this.#value = value;
    this.#valueRead = true;
    this.valueInBytes = false;
  }

  get headers(): readonly Header[] {
    if (this.headersEnd - this.headersAt < 2) return NO_HEADERS;
    return readHeaders(this.buffer, this.headersAt, this.headersEnd);
  }

  #decode(): unknown {
    const { serde, buffer, valueAt, valueLength } = this;
    try {
      return (serde as Serde<unknown>).decode(buffer, valueAt, valueAt + valueLength);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new SluiceError('VALUE_MALFORMED', `the value cannot be read: ${why}`, {}, error);
    }
  }
}
