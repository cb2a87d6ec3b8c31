/**
 * The source half of a job: one run of it, from wherever its place says to its end, or for ever where it follows changes. Pages
 * come as batches from its thread and are committed with the place behind them, so that each is in the topic once. When the
 * system is down it waits, longer with each failure, and begins again at its place on a new thread.
 */
import type { Stream } from '#connector';
import { asSluiceError, type SluiceError } from '#kernel';
import { deadLetterBatch, ensureDeadTopic, type Partition } from '#log';
import { Wake } from '#processing';
import type { JobSpec, StreamSpec } from '../kinds/job-kind.ts';
import type { BeginInput, ReadKind, SourcePage, SourceStream } from '../worker/protocol.ts';
import { commit } from './commit.ts';
import { consumerOf, type SyncParts } from './parts.ts';
import { Patience } from './patience.ts';
import type { Places, SourcePlace } from './place.ts';
import { SyncThread } from './thread.ts';

/** Looks whether there is room in the topic again, at the latest. */
const ROOM_LOOK_MS = 500;

export interface SourceOptions {
  readonly job: string;
  readonly spec: JobSpec;
  readonly parts: SyncParts;
  readonly places: Places;
  readonly partitions: readonly Partition[];
  /** Bytes of the topic that the target has not written yet, about. */
  readonly unwritten: () => number;
}

export class SourceHalf {
  readonly patience: Patience;
  readonly #options: SourceOptions;
  readonly #wake = new Wake();
  #place: SourcePlace;
  #stopping = false;
  #pageRecords: number;
  /** Newest position and commit time that were read, for people. */
  position: string | null = null;
  newestAt = 0;

  constructor(options: SourceOptions, place: SourcePlace) {
    this.#options = options;
    this.#place = place;
    this.#pageRecords = options.spec.page_records;
    this.patience = new Patience(options.spec.retry, options.parts.clock);
  }

  get place(): SourcePlace {
    return this.#place;
  }

  /** The target has written something, or it is to look again. */
  note(): void {
    this.#wake.note();
  }

  stop(): void {
    this.#stopping = true;
    this.#wake.note();
  }

  /** Resolves when all is read, or it was stopped. @throws what it gave up over */
  async run(): Promise<void> {
    while (!this.#stopping && !this.#place.done) {
      try {
        await this.#read();
      } catch (error) {
        await this.#failed(asSluiceError(error));
      }
    }
  }

  async #failed(error: SluiceError): Promise<void> {
    if (this.#stopping) return;
    const { job, parts } = this.#options;
    if (error.details['memory'] === true) this.#pageRecords = Math.max(1, this.#pageRecords >> 1);
    const waitMs = this.patience.failed(error);
    parts.logger.warn({ job, half: 'source', code: error.code, message: error.message, waitMs }, 'a sync job failed');
    if (waitMs === undefined) throw error;
    const endsAt = parts.clock.monotonic() + waitMs;
    for (let left = waitMs; left > 0 && !this.#stopping; left = endsAt - parts.clock.monotonic()) {
      await this.#wake.sleep(left);
    }
  }

  async #read(): Promise<void> {
    const { job, spec, parts } = this.#options;
    const thread = new SyncThread(`${job} (source)`, parts.limits);
    try {
      await thread.open(parts.endpoints.get(spec.source.endpoint as string));
      const begin = this.#beginning(await thread.call('discover', null));
      if (begin.kind !== this.#place.kind) this.#place = { ...this.#place, kind: begin.kind };
      await thread.call('begin', begin);
      while (!this.#stopping) {
        await this.#room();
        const page = await thread.call('page', null);
        if (this.#stopping) return;
        await this.#take(page);
        this.patience.succeeded();
        if (page === null) return;
      }
    } finally {
      await thread.close();
    }
  }

  #beginning(discovered: readonly Stream[]): BeginInput {
    const { job, spec, parts, partitions } = this.#options;
    const { run, streams: states, state, whole } = this.#place;
    const streams = spec.streams.map((one) => ({ one, found: discovered.find(({ name }) => name === one.from) }));
    const follows = spec.strategy === 'real_time' && streams.every(({ found }) => found?.can.includes('changes'));
    const kind: ReadKind = follows ? 'changes' : 'pages';
    return {
      kind,
      run,
      streams: streams.map(({ one, found }) => streamOf(one, spec, found, whole)),
      states,
      state: kind === 'changes' && state !== null ? state : undefined,
      snapshot: spec.snapshot,
      consumer: consumerOf(job),
      pageRecords: this.#pageRecords,
      lookBackMs: spec.look_back_ms,
      partitions: partitions.length,
      limits: parts.limits,
    };
  }

  async #room(): Promise<void> {
    const { spec, unwritten } = this.#options;
    while (!this.#stopping && unwritten() > spec.buffer_bytes) await this.#wake.sleep(ROOM_LOOK_MS);
  }

  async #take(page: SourcePage | null): Promise<void> {
    const { job, parts, places, partitions } = this.#options;
    const { log, limits, clock } = parts;
    const before = this.#place;
    if (page === null) {
      this.#place = { ...before, done: true };
      await commit(log, { state: [places.sourceChange(this.#place)] });
      return;
    }
    const { stream, streamState, state, lost } = page;
    const [first] = partitions as [Partition];
    const letters = lost.map(({ key, message }) => {
      const topic = first.topic.name;
      const facts = { topic, partition: 0, offset: first.tail, source: `sync:${job}`, attempts: 1, at: clock.now() };
      const record = { key: key === null ? null : Buffer.from(key), value: null, headers: [], timestamp: clock.now() };
      return deadLetterBatch({ ...record, ...facts, code: 'RECORD_TOO_LARGE', message }, limits);
    });
    const dead = letters.length === 0 ? undefined : await ensureDeadTopic(log, first.topic.name);
    const place: SourcePlace = {
      ...before,
      records: before.records + page.records,
      bytes: before.bytes + page.bytes,
      lost: before.lost + lost.length,
      streams: stream === null ? before.streams : { ...before.streams, [stream]: streamState ?? {} },
      state: state ?? before.state,
    };
    await commit(log, {
      appends: [
        ...page.batches.map(({ partition, batch }) => ({ partition: partitions[partition] as Partition, batch })),
        ...letters.map((batch) => ({ partition: dead as Partition, batch })),
      ],
      state: [places.sourceChange(place)],
    });
    this.#place = place;
    if (page.newestAt > 0) this.newestAt = page.newestAt;
    this.position = page.position ?? this.position;
  }
}

function streamOf(one: StreamSpec, spec: JobSpec, found: Stream | undefined, whole: boolean): SourceStream {
  const { from: name, keys = [], cursor } = one;
  return { name, keys, mode: whole ? 'full' : readMode(one, spec, found), cursor };
}

function readMode({ cursor }: StreamSpec, { mode }: JobSpec, found: Stream | undefined): SourceStream['mode'] {
  if (mode === 'full') return 'full';
  if (mode === 'incremental') return 'incremental';
  const can = found?.can ?? [];
  if (!can.includes('incremental')) return 'full';
  // By a field that somebody chose, or a place of the system's own.
  return cursor !== undefined || found?.cursors.length === 0 || !can.includes('full') ? 'incremental' : 'full';
}
