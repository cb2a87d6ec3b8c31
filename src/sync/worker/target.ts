/**
 * The target half of a job, on its thread: reads in place what the log has, folds it, maps it, holds it to its rules and writes
 * it. What it answers is committed on the main thread, offset and rejected records together; done again after a crash it has the
 * same effect. Several partitions may be under way at once; each is applied in order.
 */
import { type Connection, requireStream, type Stream, toJson } from '#connector';
import { asSluiceError, encodeUtf8, SluiceError } from '#kernel';
import { type LogReader, openReader } from '#log';
import { type ChangeRecord, keyPart } from '../change-record.ts';
import { Batches } from './batches.ts';
import { type Decode, decoderOfJson, decodeStored, type Origin, origins, REJECTING, rejection } from './incoming.ts';
import { compileMapping, type Mapping } from './mapped.ts';
import type { Applied, ApplyInput, RejectedRecord, TargetInput, TargetStream } from './protocol.ts';
import { Rules } from './rules.ts';
import { type Outcome, StreamTarget } from './target-stream.ts';

const CHUNK_BYTES = 1024 * 1024;
const NO_STREAM: Stream = { name: '', fields: [], primaryKey: [], cursors: [], can: [] };

interface Route {
  readonly spec: TargetStream;
  readonly mapping: Mapping | null;
  readonly rules: Rules | null;
}

export class Target {
  readonly reader: LogReader;
  readonly input: TargetInput;
  readonly #connection: Connection | undefined;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #decode: Decode;
  /** By stream of the source; each partition has its own, since they are filled at the same time. */
  readonly #streams = new Map<string, StreamTarget>();
  #discovered: Promise<readonly Stream[]> | undefined;

  private constructor(connection: Connection | undefined, input: TargetInput, reader: LogReader) {
    this.#connection = connection;
    this.input = input;
    this.reader = reader;
    this.#routes = new Map(
      input.streams.map((spec) => {
        const mapping = spec.mapping === null ? null : compileMapping(spec.mapping, input.limits);
        const rules = spec.mapping === null ? null : Rules.compile(spec.mapping.rules, input.limits);
        return [spec.from, { spec, mapping, rules }];
      }),
    );
    const [only] = input.streams;
    this.#decode = input.format === 'changes' ? decodeStored : decoderOfJson(only?.from ?? '', only?.keys ?? []);
  }

  /** @throws ENDPOINT_STREAM_UNKNOWN, ENDPOINT_UNSUPPORTED, TRANSFORM_INVALID, and what the system says */
  static async open(connection: Connection | undefined, input: TargetInput): Promise<Target> {
    const target = new Target(connection, input, await openReader(input.reader));
    if (connection !== undefined) for (const { from } of input.streams) await target.streamOf(from, 0);
    return target;
  }

  async apply({ partition, from, extent }: ApplyInput): Promise<Applied> {
    const outcome = { written: 0, deleted: 0, ignoredFields: 0, rejected: [] as RejectedRecord[] };
    const batches = new Batches(this.input.topicPartitions ?? 1, this.input.limits);
    const used = new Set<StreamTarget>();
    let next = extent.to;
    let records = 0;
    let newestAt = 0;
    let truncate: string | null = null;
    let last: Route | undefined;
    let stream: StreamTarget | undefined;
    scan: for (const { bytes } of this.reader.chunks(extent, CHUNK_BYTES)) {
      // The view is gone with the next step, and what it holds is needed until it is written.
      for (const origin of origins(new Uint8Array(bytes), from)) {
        try {
          const change = this.#decode(origin);
          const route = this.#routes.get(change.stream);
          if (change.op === 'truncate' && route !== undefined && this.input.topicPartitions === null) {
            truncate = change.stream;
            next = origin.offset;
            break scan;
          }
          records++;
          if (origin.timestamp > newestAt) newestAt = origin.timestamp;
          if (route === undefined || change.op === 'truncate') continue;
          if (this.#connection === undefined) await this.#publish(route, change, origin, batches, outcome);
          else {
            if (route !== last) {
              last = route;
              stream = await this.streamOf(route.spec.from, partition);
              used.add(stream);
            }
            const pending = this.#note(stream as StreamTarget, change, origin);
            if (pending !== undefined) await pending;
          }
        } catch (error) {
          outcome.rejected.push(rejected(error, origin));
        }
      }
    }
    for (const one of used) await one.flush(outcome);
    return { ...outcome, next, truncate, records, newestAt, batches: batches.take() };
  }

  /** @throws ENDPOINT_STREAM_UNKNOWN, and as `discover` */
  async streamOf(from: string, partition: number): Promise<StreamTarget> {
    const place = `${partition}/${from}`;
    let stream = this.#streams.get(place);
    if (stream === undefined) {
      const { spec, mapping, rules } = this.#routes.get(from) as Route;
      const connection = this.#connection as Connection;
      const options = { input: this.input, spec, mapping, rules };
      stream = new StreamTarget(connection, requireStream(await this.#discover(), spec.to), options);
      this.#streams.set(place, stream);
    }
    return stream;
  }

  get connection(): Connection {
    if (this.#connection === undefined) throw new SluiceError('ENDPOINT_UNSUPPORTED', 'the target is a topic');
    return this.#connection;
  }

  #note(stream: StreamTarget, change: ChangeRecord, origin: Origin): void | Promise<void> {
    const again = async (error: unknown): Promise<void> => {
      if (asSluiceError(error).code !== 'SYNC_FIELD_UNKNOWN') throw error;
      // It may have been given the field since; what is still missing is met again.
      this.#discovered = undefined;
      stream.describe(requireStream(await this.#discover(), stream.spec.to));
      await stream.add(change, origin);
    };
    try {
      return stream.add(change, origin)?.catch(again);
    } catch (error) {
      return again(error);
    }
  }

  #discover(): Promise<readonly Stream[]> {
    this.#discovered ??= this.connection.discover();
    this.#discovered.catch(() => {
      this.#discovered = undefined;
    });
    return this.#discovered;
  }

  /** Into a topic: records are JSON, a deletion is a record without a value. */
  async #publish(
    { spec, mapping, rules }: Route,
    change: ChangeRecord,
    origin: Origin,
    batches: Batches,
    outcome: Outcome,
  ): Promise<void> {
    const image = change.after ?? change.before ?? {};
    const deletion = change.op === 'delete';
    if (deletion && !this.input.deletes) return;
    const row = mapping === null ? image : deletion ? mapping.names(image) : await mapping.apply(image);
    if (row === null) return;
    if (!deletion) await rules?.check(row, (change.unchanged?.length ?? 0) > 0);
    const parts = spec.keys.map((name) => row[name] ?? null);
    const [first = null] = parts;
    const key =
      parts.length === 0 ? keyOf(origin) : parts.length > 1 ? `[${parts.map(keyPart).join(',')}]` : String(first);
    const value = deletion ? null : encodeUtf8(JSON.stringify(toJson(row, NO_STREAM)));
    if (!batches.add(key, value, origin.timestamp)) {
      throw new SluiceError('RECORD_REJECTED', 'the record is larger than the log takes');
    }
    if (deletion) outcome.deleted++;
    else outcome.written++;
  }
}

/** The key the record came with. */
function keyOf({ bytes, keyAt, keyLength }: Origin): string | null {
  return keyLength < 0 ? null : Buffer.from(bytes.buffer, bytes.byteOffset + keyAt, keyLength).toString();
}

/** @throws what is not about the record */
function rejected(error: unknown, origin: Origin): RejectedRecord {
  const { code, message } = asSluiceError(error);
  if (!REJECTING.has(code)) throw error;
  return rejection(origin, code, message);
}
