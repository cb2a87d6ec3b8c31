/**
 * All streams of the server, by path: making, appending, deleting, expiring. Readers get a `Stream` from here and read it
 * with `readPage`. Everything durable is in the log: records in partitions of `sys.streams.…`, the rest in its state.
 *
 *   absent ──create──▶ live ──delete, expire──▶ erased: its document goes, its partition is free again
 *                       │                          ▲
 *                       └─ with forks: gone (410) ─┘ when the last fork is erased
 */
import { randomBytes } from 'node:crypto';
import { asSluiceError, type Clock, type Limits, type Logger, type Metrics, SluiceError } from '#kernel';
import type { Log, StateChange } from '#log';
import { ByteBudget } from '../http/byte-budget.ts';
import { AppendDraft, type AppendOutcome, type AppendRequest } from './append-draft.ts';
import {
  type CreateRequest,
  checkSame,
  forkDocument,
  newDocument,
  type Origin,
  type PlacelessDocument,
} from './create.ts';
import { documentChange } from './document.ts';
import { findForkPoint } from './fork-point.ts';
import { Lane, type PendingAppend } from './lane.ts';
import { encodeBody, encodeMessages } from './messages.ts';
import { Places } from './places.ts';
import { restoreStreams } from './restore.ts';
import { Stream } from './stream.ts';
import { StreamProducers } from './stream-producers.ts';

export interface StreamsParts {
  readonly log: Log;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Created {
  readonly stream: Stream;
  /** False: it was there, and as asked for. */
  readonly created: boolean;
}

const SWEEP_MS = 1_000;
const ID_BYTES = 12;

export class Streams {
  readonly #parts: StreamsParts;
  readonly #places: Places;
  readonly #streams: Map<string, Stream>;
  readonly #expiring = new Set<Stream>();
  /** Gone, and without forks: to be erased. */
  readonly #unused = new Set<Stream>();
  readonly #lanes = new Map<string, Lane>();
  readonly #pending: ByteBudget;
  readonly #timer: NodeJS.Timeout;
  #creating = 0;
  #idle: (() => void)[] = [];

  /** Takes in what the log holds. */
  constructor(parts: StreamsParts) {
    this.#parts = parts;
    const { log, limits, logger, metrics } = parts;
    this.#places = new Places(log, limits, logger);
    this.#pending = new ByteBudget(limits.pendingBytesMax);
    this.#streams = restoreStreams(log, parts.clock);
    for (const stream of this.#streams.values()) this.#watch(stream);
    this.#places.open(new Set(Array.from(this.#streams.values(), ({ partition }) => partition)));
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#timer.unref();
    metrics.gauge('sluice_streams', 'Streams of the Durable Streams protocol', () => this.#streams.size);
  }

  /** @throws STREAM_UNKNOWN, STREAM_GONE */
  get(path: string): Stream {
    const stream = this.#streams.get(path);
    if (stream === undefined || stream.leaving) throw new SluiceError('STREAM_UNKNOWN', `there is no stream ${path}`);
    const expired = stream.expired(this.#parts.clock.now());
    if (expired && stream.forks === 0) throw new SluiceError('STREAM_UNKNOWN', `the stream ${path} has expired`);
    if (expired || stream.gone) throw new SluiceError('STREAM_GONE', `the stream ${path} is kept for its forks only`);
    return stream;
  }

  /** Whether something stands at the path, be it only for forks. */
  has(path: string): boolean {
    return this.#streams.has(path);
  }

  /** It was read: its time to live begins anew. */
  touch(stream: Stream): void {
    const { clock, log, logger } = this.#parts;
    stream.usedAt = clock.now();
    if (!stream.useIsDue) return;
    const store = async (): Promise<void> => {
      if (stream.gone || stream.leaving || !stream.useIsDue) return;
      const document = { ...stream.document, usedAt: stream.usedAt };
      await log.commit({ state: [documentChange(stream.path, document)] });
      stream.document = document;
    };
    this.#alone(stream.path, store).catch((error: unknown) => {
      logger.warn({ err: error, stream: stream.path }, 'the use of a stream could not be stored');
    });
  }

  /** @throws STREAM_UNKNOWN, STREAM_GONE, LOG_BUSY, and as `AppendDraft.add` and `Log.commit` */
  async append(path: string, request: AppendRequest): Promise<AppendOutcome> {
    this.get(path);
    const { length } = request.body;
    if (!this.#pending.take(length)) {
      throw new SluiceError('LOG_BUSY', 'too many appends to streams wait to be written', {
        pending: this.#pending.held,
      });
    }
    try {
      return await this.#lane(path).append(request);
    } finally {
      this.#pending.release(length);
    }
  }

  /**
   * Makes the stream, or finds that it is there just so.
   * @throws STREAM_CONFLICT, LIMIT_EXCEEDED; of a fork also STREAM_UNKNOWN, REQUEST_INVALID; as `encodeBody`, `Log.commit`
   */
  create(path: string, request: CreateRequest): Promise<Created> {
    return this.#alone(path, async () => {
      const { clock, limits } = this.#parts;
      const old = this.#streams.get(path);
      if (old?.expired(clock.now()) === true) await this.#retire(old);
      const existing = this.#streams.get(path);
      if (existing !== undefined) {
        checkSame(existing, request);
        return { stream: existing, created: false };
      }
      if (this.#streams.size + this.#creating >= limits.streamsMax) {
        throw new SluiceError('LIMIT_EXCEEDED', `at most ${limits.streamsMax} streams`, { max: limits.streamsMax });
      }
      this.#creating++;
      try {
        return { stream: await this.#make(path, request), created: true };
      } finally {
        this.#creating--;
      }
    });
  }

  /** @throws STREAM_UNKNOWN, STREAM_GONE, and as `Log.commit` */
  delete(path: string): Promise<void> {
    return this.#alone(path, () => this.#retire(this.get(path)));
  }

  /** Takes no more work by itself; resolves when what is under way has ended. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#lanes.size === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #lane(path: string): Lane {
    let lane = this.#lanes.get(path);
    if (lane === undefined) {
      lane = new Lane(
        (appends) => this.#commitAppends(path, appends),
        () => {
          this.#lanes.delete(path);
          if (this.#lanes.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
        },
      );
      this.#lanes.set(path, lane);
    }
    return lane;
  }

  #alone<T>(path: string, work: () => Promise<T>): Promise<T> {
    return this.#lane(path).alone(work);
  }

  /** All answers wait for the commit: what one request is told may rest on the one before it. */
  async #commitAppends(path: string, appends: readonly PendingAppend[]): Promise<void> {
    const answers: (() => void)[] = [];
    try {
      const { log, limits, clock } = this.#parts;
      const stream = this.get(path);
      const draft = new AppendDraft(stream, this.#producersOf(stream), limits, clock.now());
      for (const append of appends) {
        try {
          const outcome = draft.add(append.request);
          answers.push(() => append.resolve(outcome));
        } catch (error) {
          answers.push(() => append.reject(asSluiceError(error)));
        }
      }
      stream.usedAt = clock.now();
      if (!draft.isEmpty) {
        if (stream.useIsDue) draft.setUsedAt(stream.usedAt);
        const { partition } = stream;
        await log.commit({ appends: draft.batches.map((batch) => ({ partition, batch })), state: draft.changes() });
        this.#apply(stream, draft);
      }
    } catch (error) {
      for (const append of appends) append.reject(asSluiceError(error));
      return;
    }
    for (const answer of answers) answer();
  }

  #apply(stream: Stream, draft: AppendDraft): void {
    stream.document = draft.document;
    stream.tail = draft.tail;
    stream.producers?.apply(draft.producers);
    stream.changed();
  }

  #producersOf(stream: Stream): StreamProducers {
    stream.producers ??= StreamProducers.load(this.#parts.log, stream.document.id, this.#parts.limits);
    return stream.producers;
  }

  async #make(path: string, request: CreateRequest): Promise<Stream> {
    const source = request.fork === undefined ? undefined : this.#sourceOf(request.fork.source);
    if (source === undefined) return this.#store(path, newDocument(request, this.#origin(0)), request, undefined);
    const { position, subOffset } = { position: source.tail, ...request.fork };
    const point = findForkPoint(source, position, subOffset ?? 0);
    const fork = { source: source.path, position, subOffset: subOffset ?? 0 };
    const document = forkDocument(request, source, fork, this.#origin(point.position));
    const { streamForkDepthMax: max } = this.#parts.limits;
    if (source.depth >= max) throw new SluiceError('LIMIT_EXCEEDED', `forks of forks go ${max} deep`, { max });
    source.forks++;
    try {
      return await this.#store(path, document, request, source, point.prefix);
    } catch (error) {
      this.#letGo(source);
      throw error;
    }
  }

  #origin(from: number): Origin {
    return { id: randomBytes(ID_BYTES).toString('base64url'), now: this.#parts.clock.now(), from };
  }

  /** @throws STREAM_UNKNOWN; STREAM_CONFLICT where it is there for its forks only */
  #sourceOf(path: string): Stream {
    try {
      return this.get(path);
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'STREAM_GONE') throw error;
      throw new SluiceError('STREAM_CONFLICT', `the source ${path} is deleted`, {}, error);
    }
  }

  /** Document and first messages in one commit. */
  async #store(
    path: string,
    draft: PlacelessDocument,
    { body }: CreateRequest,
    source: Stream | undefined,
    prefix?: Uint8Array,
  ): Promise<Stream> {
    const { log, limits } = this.#parts;
    const batches = body.length === 0 ? [] : encodeBody(draft.contentType, body, limits, draft.createdAt).batches;
    const before = prefix === undefined ? [] : encodeMessages([prefix], limits, draft.createdAt).batches;
    const partition = await this.#places.take();
    const { topic, index, tail: base } = partition;
    const document = { ...draft, topic: topic.name, partition: index, base };
    try {
      await log.commit({
        appends: [...before, ...batches].map((batch) => ({ partition, batch })),
        state: [documentChange(path, document)],
      });
    } catch (error) {
      this.#places.release(partition);
      throw error;
    }
    const stream = new Stream(path, document, partition, source);
    stream.producers = new StreamProducers(document.id, limits);
    this.#streams.set(path, stream);
    this.#watch(stream);
    return stream;
  }

  #watch(stream: Stream): void {
    if (stream.gone && stream.forks === 0) this.#unused.add(stream);
    else if (stream.canExpire && !stream.gone) this.#expiring.add(stream);
  }

  /** Deleted or expired: erased, or with forks kept for those. Runs in the lane of its path. */
  async #retire(stream: Stream): Promise<void> {
    if (stream.forks === 0) return this.#erase(stream);
    if (stream.gone) return;
    const document = { ...stream.document, deleted: true };
    await this.#parts.log.commit({ state: [documentChange(stream.path, document)] });
    stream.document = document;
    stream.gone = true;
    this.#expiring.delete(stream);
    stream.changed();
    // A fork may have been given up meanwhile.
    if (stream.forks === 0) this.#unused.add(stream);
  }

  async #erase(stream: Stream): Promise<void> {
    if (stream.leaving || this.#streams.get(stream.path) !== stream) return;
    stream.leaving = true;
    const state: StateChange[] = [documentChange(stream.path, null), ...this.#producersOf(stream).erasure()];
    try {
      await this.#parts.log.commit({ state });
    } catch (error) {
      stream.leaving = false;
      throw error;
    }
    stream.gone = true;
    this.#streams.delete(stream.path);
    this.#expiring.delete(stream);
    this.#unused.delete(stream);
    this.#places.release(stream.partition);
    stream.changed();
    if (stream.source !== undefined) this.#letGo(stream.source);
  }

  /** One fork of it less. */
  #letGo(source: Stream): void {
    source.forks--;
    if (!source.gone || source.forks > 0) return;
    this.#unused.add(source);
    this.#sweep();
  }

  /** Erases what has expired or is not needed any more. What fails is tried again with the next sweep. */
  #sweep(): void {
    const { clock, logger } = this.#parts;
    const now = clock.now();
    const due = [...this.#unused];
    for (const stream of this.#expiring) if (stream.expired(now)) due.push(stream);
    for (const stream of due) {
      const retire = async (): Promise<void> => {
        if (stream.gone || stream.expired(clock.now())) await this.#retire(stream);
      };
      this.#alone(stream.path, retire).catch((error: unknown) => {
        logger.warn({ err: error, stream: stream.path }, 'a stream could not be erased yet');
      });
    }
  }
}
