/**
 * The two encodings of the WebSocket protocol, chosen by the subprotocol: `sluice.v1.json` in text frames,
 * `sluice.v1.msgpack` in binary ones. A frame holds one message or an array of messages.
 */
import { Packr, Unpackr } from 'msgpackr';
import { decodeUtf8, SluiceError } from '#kernel';
import type { HandedRecord } from '#log';
import { iterateBatches, iterateRecords, type LogRecord } from '#record';
import { recordJson } from '../read/record-json.ts';
import { PackWriter, packedText } from './pack-writer.ts';
import { TextWriter } from './text-writer.ts';

export type Message = Readonly<Record<string, unknown>>;

/** A run of stored batches on its way to a subscription. */
export interface Delivery {
  readonly subscription: number;
  readonly partition: number;
  /** First offset that is meant; the first batch may begin below it. */
  readonly offset: number;
  readonly next: number;
  readonly count: number;
  readonly batches: Uint8Array;
}

export interface Codec {
  readonly name: 'json' | 'msgpack';
  readonly isBinary: boolean;
  /** The messages of a frame; byte fields are views into it. @throws REQUEST_MALFORMED */
  decode(frame: Uint8Array): readonly unknown[];
  /** Appends a message to the frame being gathered. */
  add(message: Message): void;
  /** Appends the answer to a produce of one record. */
  addProduced(id: number, partition: number, offset: number): void;
  /** Ends the frame being gathered: valid until the next call; undefined when nothing was added. */
  take(): string | Uint8Array | undefined;
  /** A frame of its own with the records, or the batches, of a delivery; valid until the next call. */
  records(delivery: Delivery): string | Uint8Array;
  batches(delivery: Delivery): string | Uint8Array;
  /** A frame of its own with records of a queue; valid until the next call. */
  handed(subscription: number, handed: readonly HandedRecord[]): string | Uint8Array;
}

function messagesOf(decoded: unknown): readonly unknown[] {
  return Array.isArray(decoded) ? decoded : [decoded];
}

export class JsonCodec implements Codec {
  readonly name = 'json';
  readonly isBinary = false;
  #gathered: string[] = [];

  decode(frame: Uint8Array): readonly unknown[] {
    const text = decodeUtf8(frame, 'the frame');
    try {
      return messagesOf(JSON.parse(text));
    } catch (error) {
      throw new SluiceError('REQUEST_MALFORMED', 'the frame is not valid JSON', {}, error);
    }
  }

  add(message: Message): void {
    this.#gathered.push(JSON.stringify(message));
  }

  addProduced(id: number, partition: number, offset: number): void {
    this.#gathered.push(`{"op":"produced","id":${id},"offsets":[{"partition":${partition},"offset":${offset}}]}`);
  }

  take(): string | undefined {
    const gathered = this.#gathered;
    if (gathered.length === 0) return undefined;
    this.#gathered = [];
    return gathered.length === 1 ? gathered[0] : `[${gathered.join(',')}]`;
  }

  records(delivery: Delivery): Uint8Array {
    const { subscription, partition, offset, next } = delivery;
    frameText.reset();
    frameText.text(
      `{"op":"records","sub":${subscription},"partition":${partition},"offset":${offset},"next":${next},"records":[`,
    );
    let between = '';
    for (const { at } of iterateBatches(delivery.batches)) {
      for (const record of iterateRecords(delivery.batches, at)) {
        if (record.offset < offset || record.offset >= next) continue;
        frameText.text(between);
        frameText.text(recordJson(record));
        between = ',';
      }
    }
    frameText.text(']}');
    return frameText.bytes();
  }

  handed(subscription: number, handed: readonly HandedRecord[]): Uint8Array {
    frameText.reset();
    frameText.text(`{"op":"records","sub":${subscription},"records":[`);
    let between = '';
    for (const { partition, attempt, record } of handed) {
      frameText.text(between);
      frameText.text(recordJson(record, `"partition":${partition},"attempt":${attempt},`));
      between = ',';
    }
    frameText.text(']}');
    return frameText.bytes();
  }

  batches(delivery: Delivery): Uint8Array {
    const { subscription, partition, offset, next, count, batches } = delivery;
    frameText.reset();
    frameText.text(
      `{"op":"records","sub":${subscription},"partition":${partition},"offset":${offset},"next":${next},"count":${count},"batch":"`,
    );
    frameText.base64(batches);
    frameText.text('"}');
    return frameText.bytes();
  }
}

const OP_PRODUCED = Buffer.concat([packedText('op'), packedText('produced'), packedText('id')]);
const OFFSETS = packedText('offsets');
const PARTITION = packedText('partition');
const OFFSET = packedText('offset');
const OP_RECORDS = Buffer.concat([packedText('op'), packedText('records'), packedText('sub')]);
const NEXT = packedText('next');
const COUNT = packedText('count');
const BATCH = packedText('batch');
const RECORDS = packedText('records');
const TIMESTAMP = packedText('timestamp');
const KEY = packedText('key');
const VALUE = packedText('value');
const HEADERS = packedText('headers');
const ATTEMPT = packedText('attempt');
/** What `writeRecord` writes. */
const RECORD_MEMBERS = 5;
const FRAME_BYTES = 64 * 1024;
/** Room that is kept in front of the gathered messages for the head of their array. */
const ARRAY_HEAD_BYTES = 5;

const packr = new Packr({ useRecords: false, int64AsType: 'number' });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', copyBuffers: false });
/** Shared by all connections: a frame is sent before the next one is written. */
const frameWriter = new PackWriter(FRAME_BYTES * 8);
const frameText = new TextWriter(FRAME_BYTES * 8);

export class MsgpackCodec implements Codec {
  readonly name = 'msgpack';
  readonly isBinary = true;
  readonly #gathered = new PackWriter(1024);
  #count = 0;

  decode(frame: Uint8Array): readonly unknown[] {
    try {
      return messagesOf(unpackr.unpack(frame));
    } catch (error) {
      throw new SluiceError('REQUEST_MALFORMED', 'the frame is not valid MessagePack', {}, error);
    }
  }

  #next(): PackWriter {
    if (this.#count++ === 0) {
      this.#gathered.reset();
      this.#gathered.beginArray();
    }
    return this.#gathered;
  }

  add(message: Message): void {
    this.#next().raw(packr.pack(message));
  }

  addProduced(id: number, partition: number, offset: number): void {
    const writer = this.#next();
    writer.mapHead(3);
    writer.raw(OP_PRODUCED);
    writer.uint(id);
    writer.raw(OFFSETS);
    writer.arrayHead(1);
    writer.mapHead(2);
    writer.raw(PARTITION);
    writer.uint(partition);
    writer.raw(OFFSET);
    writer.uint(offset);
  }

  take(): Uint8Array | undefined {
    const count = this.#count;
    if (count === 0) return undefined;
    this.#count = 0;
    if (count === 1) return this.#gathered.bytes(ARRAY_HEAD_BYTES);
    this.#gathered.endArray(1, count);
    return this.#gathered.bytes();
  }

  #begin(members: number, { subscription, partition, offset, next }: Delivery): PackWriter {
    frameWriter.reset();
    frameWriter.mapHead(members);
    frameWriter.raw(OP_RECORDS);
    frameWriter.uint(subscription);
    frameWriter.raw(PARTITION);
    frameWriter.uint(partition);
    frameWriter.raw(OFFSET);
    frameWriter.uint(offset);
    frameWriter.raw(NEXT);
    frameWriter.uint(next);
    return frameWriter;
  }

  records(delivery: Delivery): Uint8Array {
    const writer = this.#begin(6, delivery);
    writer.raw(RECORDS);
    const place = writer.beginArray();
    let count = 0;
    for (const { at } of iterateBatches(delivery.batches)) {
      for (const record of iterateRecords(delivery.batches, at)) {
        if (record.offset < delivery.offset || record.offset >= delivery.next) continue;
        count++;
        writer.mapHead(RECORD_MEMBERS);
        writeRecord(writer, record);
      }
    }
    writer.endArray(place, count);
    return writer.bytes();
  }

  handed(subscription: number, handed: readonly HandedRecord[]): Uint8Array {
    frameWriter.reset();
    frameWriter.mapHead(3);
    frameWriter.raw(OP_RECORDS);
    frameWriter.uint(subscription);
    frameWriter.raw(RECORDS);
    frameWriter.arrayHead(handed.length);
    for (const { partition, attempt, record } of handed) {
      frameWriter.mapHead(RECORD_MEMBERS + 2);
      frameWriter.raw(PARTITION);
      frameWriter.uint(partition);
      frameWriter.raw(ATTEMPT);
      frameWriter.uint(attempt);
      writeRecord(frameWriter, record);
    }
    return frameWriter.bytes();
  }

  batches(delivery: Delivery): Uint8Array {
    const writer = this.#begin(7, delivery);
    writer.raw(COUNT);
    writer.uint(delivery.count);
    writer.raw(BATCH);
    writer.binary(delivery.batches);
    return writer.bytes();
  }
}

function writeRecord(writer: PackWriter, { offset, timestamp, key, value, headers }: LogRecord): void {
  writer.raw(OFFSET);
  writer.uint(offset);
  writer.raw(TIMESTAMP);
  writer.uint(timestamp);
  writer.raw(KEY);
  writer.binary(key);
  writer.raw(VALUE);
  writer.binary(value);
  writer.raw(HEADERS);
  writer.mapHead(headers.length);
  for (const header of headers) {
    writer.text(header.key);
    writer.binary(header.value);
  }
}
