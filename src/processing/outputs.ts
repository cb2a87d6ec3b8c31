/**
 * What a run gives: records gathered into one growing batch for each partition of each output topic, cut at the batch
 * limit. Batches leave in ArrayBuffers of their own; the buffers they grew in are kept for the next ones.
 */
import { encodeUtf8, type Limits, SluiceError } from '#kernel';
import { BatchBuilder, type Header, partitionForKey } from '#record';
import type { Flow } from './flow.ts';
import type { Serde } from './serdes.ts';
import type { OutputBatch } from './task.ts';

const BUILDER_BYTES = 16 * 1024;
const BUILDERS_KEPT_MAX = 8;
/** More than the varints around a record's fields. */
const FRAME_BYTES = 40;
/** One record may make a run larger than a run should be, but not by more than this factor. */
const OVERSHOOT_MAX = 3;
const NOTHING = new Uint8Array(0);

export interface OutputTopic {
  readonly name: string;
  readonly serde: Serde<unknown>;
  readonly partitions: number;
  readonly open: (BatchBuilder | undefined)[];
}

export class Outputs {
  readonly #limits: Limits;
  readonly #topics: OutputTopic[] = [];
  readonly #idle: BatchBuilder[] = [];
  #done: OutputBatch[] = [];
  #rotation = 0;
  #keyBytes: Buffer = Buffer.allocUnsafeSlow(1024);
  /** Of all records of the run so far. */
  bytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  declare(name: string, serde: Serde<unknown>, partitions: number): OutputTopic {
    const topic = { name, serde, partitions, open: [] };
    this.#topics.push(topic);
    return topic;
  }

  /** `rotation` decides where the first record without a key goes; the same for a run that is repeated. */
  begin(rotation: number): void {
    this.#rotation = rotation;
    this.bytes = 0;
  }

  /** @throws RECORD_TOO_LARGE, LIMIT_EXCEEDED, VALUE_MALFORMED; whatever the format throws */
  write(topic: OutputTopic, flow: Flow): void {
    let key: Uint8Array = flow.buffer;
    let { keyAt, keyLength } = flow;
    if (!flow.keyInBytes) {
      keyAt = 0;
      keyLength = this.#encodeKey(flow.key);
      key = this.#keyBytes;
    }
    const asIs = flow.valueInBytes && flow.serde === topic.serde;
    let value: Uint8Array = flow.buffer;
    let { valueAt, valueLength } = flow;
    if (!asIs) {
      const decoded = flow.value;
      value = decoded === null ? NOTHING : topic.serde.encode(decoded);
      valueAt = 0;
      valueLength = decoded === null ? -1 : value.length;
    }
    const headerBytes = flow.headersEnd - flow.headersAt;
    if (headerBytes > 1 && !asIs && hasContentType(flow.headers)) {
      const headers = withContentType(flow.headers, topic.serde.contentType);
      this.add(topic, piece(key, keyAt, keyLength), piece(value, valueAt, valueLength), headers, flow.timestamp, -1);
      return;
    }
    const partition = this.#partition(topic, key, keyAt, keyLength);
    const builder = this.#builder(topic, partition, keyLength + valueLength + headerBytes);
    const headers = headerBytes > 1 ? flow.buffer : null;
    const { headersAt, headersEnd, timestamp } = flow;
    builder.addPieces(key, keyAt, keyLength, value, valueAt, valueLength, headers, headersAt, headersEnd, timestamp);
  }

  /** A record of given bytes; `partition` -1: by its key. */
  add(
    topic: OutputTopic,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly Header[],
    timestamp: number,
    partition: number,
  ): void {
    if (partition >= topic.partitions) {
      throw new SluiceError('PARTITION_UNKNOWN', `${topic.name} has ${topic.partitions} partitions, none ${partition}`);
    }
    checkTimestamp(timestamp);
    let bytes = (key?.length ?? 0) + (value?.length ?? 0);
    for (const header of headers) bytes += header.key.length * 3 + (header.value?.length ?? 0) + FRAME_BYTES;
    const chosen =
      partition < 0 ? this.#partition(topic, key ?? NOTHING, 0, key === null ? -1 : key.length) : partition;
    this.#builder(topic, chosen, bytes).add(key, value, headers, timestamp);
  }

  /** Everything, in batches; the next run begins with nothing. */
  finish(): OutputBatch[] {
    for (const topic of this.#topics) {
      for (let partition = 0; partition < topic.open.length; partition++) this.#seal(topic, partition);
    }
    const done = this.#done;
    this.#done = [];
    return done;
  }

  rollback(): void {
    this.#done = [];
    for (const { open } of this.#topics) {
      for (let partition = 0; partition < open.length; partition++) {
        const builder = open[partition];
        open[partition] = undefined;
        if (builder !== undefined) this.#release(builder);
      }
    }
  }

  #encodeKey(key: string | null): number {
    if (key === null) return -1;
    if (key.length * 3 > this.#keyBytes.length) this.#keyBytes = Buffer.allocUnsafeSlow(key.length * 3);
    return this.#keyBytes.write(key, 0, 'utf8');
  }

  #partition(topic: OutputTopic, key: Uint8Array, at: number, length: number): number {
    if (topic.partitions === 1) return 0;
    return length < 0 ? this.#rotation++ % topic.partitions : partitionForKey(key, topic.partitions, at, length);
  }

  /** The open batch of a partition, with room for a record of `fieldBytes`. */
  #builder(topic: OutputTopic, partition: number, fieldBytes: number): BatchBuilder {
    const { batchBytesMax, batchRecordsMax, recordBytesMax, processorRunBytesMax } = this.#limits;
    const bytes = fieldBytes + FRAME_BYTES;
    if (bytes > recordBytesMax) {
      throw new SluiceError(
        'RECORD_TOO_LARGE',
        `a record of ${bytes} bytes for ${topic.name} is over ${recordBytesMax}`,
      );
    }
    this.bytes += bytes;
    if (this.bytes > processorRunBytesMax * OVERSHOOT_MAX) {
      throw new SluiceError('LIMIT_EXCEEDED', `one record gave more than ${processorRunBytesMax} bytes`);
    }
    let builder = topic.open[partition];
    if (builder !== undefined && (builder.bytes + bytes > batchBytesMax || builder.count >= batchRecordsMax)) {
      this.#seal(topic, partition);
      builder = undefined;
    }
    if (builder === undefined) {
      builder = this.#idle.pop() ?? new BatchBuilder(BUILDER_BYTES);
      while (topic.open.length <= partition) topic.open.push(undefined);
      topic.open[partition] = builder;
    }
    return builder;
  }

  #seal(topic: OutputTopic, partition: number): void {
    const builder = topic.open[partition];
    if (builder === undefined) return;
    topic.open[partition] = undefined;
    const { count } = builder;
    this.#done.push({ topic: topic.name, partition, batch: builder.finish().slice(), count });
    this.#release(builder);
  }

  #release(builder: BatchBuilder): void {
    builder.reset();
    if (this.#idle.length < BUILDERS_KEPT_MAX) this.#idle.push(builder);
  }
}

export function checkTimestamp(timestamp: number): void {
  if (Number.isSafeInteger(timestamp) && timestamp >= 0) return;
  throw new SluiceError('VALUE_MALFORMED', `a timestamp must be whole milliseconds since 1970, not ${timestamp}`);
}

function piece(bytes: Uint8Array, at: number, length: number): Uint8Array | null {
  return length < 0 ? null : bytes.subarray(at, at + length);
}

function hasContentType(headers: readonly Header[]): boolean {
  return headers.some(({ key }) => key === 'content-type');
}

/** The value was written anew: what was said of its format holds no more. */
function withContentType(headers: readonly Header[], contentType: string | null): Header[] {
  const others = headers.filter(({ key }) => key !== 'content-type');
  return contentType === null ? others : [...others, { key: 'content-type', value: encodeUtf8(contentType) }];
}
