/**
 * All streams of the server, by path: making, appending, deleting, expiring. Readers get a `Stream` from here and read it
 * with `readPage`. Everything durable is in the log: records in partitions of `sys.streams.…`, the rest in its state.
 *
 *   absent ──create──▶ live ──delete, expire──▶ erased: its document goes, its partition is free again
 *                       │                          ▲
 *                       └─ with forks: gone (410) ─┘ when the last fork is erased
 */
import { asSluiceError, type Logger, type Metrics, SluiceError } from '#kernel';
import { ByteBudget } from '../http/byte-budget.ts';
import { AppendDraft, type AppendOutcome, type AppendRequest } from './append-draft.ts';
import { type CreateRequest, checkSame } from './create.ts';
import { documentChange, producerSpace } from './document.ts';
import { Lane, type PendingAppend } from './lane.ts';
import { Places } from './places.ts';
import { restoreStreams } from './restore.ts';
import type { Stream } from './stream.ts';
import { type MakerParts, StreamMaker } from './stream-maker.ts';
import { StreamProducers } from './stream-producers.ts';

export interface StreamsParts extends MakerParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Created {
  readonly stream: Stream;
  /** False: it was there, and as asked for. */
  readonly created: boolean;
}

const SWEEP_MS = 1_000;
/** Streams erased at once by a sweep. */
const SWEEP_WIDTH = 64;

export class Streams {
  readonly #parts: StreamsParts;
  readonly #places: Places;
  readonly #maker: StreamMaker;
  readonly #streams: Map<string, Stream>;
  readonly #expiring = new Set<Stream>();
  /** Gone, and without forks: to be erased. */
  readonly #unused = new Set<Stream>();
  readonly #lanes = new Map<string, Lane>();
  readonly #pending: ByteBudget;
  readonly #timer: NodeJS.Timeout;
  #creating = 0;
  #sweeping = false;
  #closed = false;
  #idle: (() => void)[] = [];

  /** Takes in what the log holds. */
  constructor(parts: StreamsParts) {
    this.#parts = parts;
    const { log, limits, logger, metrics } = parts;
    this.#places = new Places(log, limits, logger);
    this.#maker = new StreamMaker(parts, this.#places);
    this.#pending = new ByteBudget(limits.pendingBytesMax);
    this.#streams = restoreStreams(log, parts.clock);
    for (const stream of this.#streams.values()) this.#watch(stream);
    this.#places.open(new Set(Array.from(this.#streams.values(), ({ partition }) => partition)));
    this.#timer = setInterval(() => void this.#sweep(), SWEEP_MS);
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
      if (old !== undefined && (old.gone || old.expired(clock.now()))) await this.#retire(old);
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
    this.#closed = true;
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
    const made = this.#maker.make(path, request, source);
    // Before anything is awaited, so that the source stays for the fork that is on its way.
    if (source !== undefined) source.forks++;
    try {
      const stream = await made;
      this.#streams.set(path, stream);
      this.#watch(stream);
      return stream;
    } catch (error) {
      if (source !== undefined) this.#letGo(source);
      throw error;
    }
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
    try {
      await this.#parts.log.commit({
        clear: [producerSpace(stream.document.id)],
        state: [documentChange(stream.path, null)],
      });
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
    void this.#sweep();
  }

  /** Erases what has expired or is not needed any more. What fails is tried again with the next sweep. */
  async #sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    const { clock, logger } = this.#parts;
    const now = clock.now();
    const due = [...this.#unused];
    for (const stream of this.#expiring) if (stream.expired(now)) due.push(stream);
    const retire = (stream: Stream): Promise<void> =>
      this.#alone(stream.path, async () => {
        if (stream.gone || stream.expired(clock.now())) await this.#retire(stream);
      });
    try {
      for (let at = 0; at < due.length && !this.#closed; at += SWEEP_WIDTH) {
        await Promise.all(due.slice(at, at + SWEEP_WIDTH).map(retire));
      }
    } catch (error) {
      logger.warn({ err: error }, 'streams could not be erased yet');
    } finally {
      this.#sweeping = false;
    }
  }
}
