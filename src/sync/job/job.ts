/**
 * One sync job at work. Its target half follows its topic all the time; its source half fills the topic, a run at a time:
 *
 *   wait until due ─▶ begin a run ─▶ read ─▶ until all of it is written ─▶ sweep, where it mirrors ─▶ end of the run ─┐
 *        ▲                                                                                                           │
 *        └───────────────────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * A run that a crash cut goes on where it was. Paused, or stopped since too much was rejected or it gave up, a job rests until
 * it is resumed. A job that reads a topic has no runs: it is a target half alone. Called by `../sync.ts`.
 */
import { createHash } from 'node:crypto';
import { asSluiceError, SluiceError } from '#kernel';
import type { OffsetCommit, Partition } from '#log';
import { Wake } from '#processing';
import type { JobSpec } from '../kinds/job-kind.ts';
import { commit } from './commit.ts';
import { type Due, eventsSince, nextDue } from './due.ts';
import { groupOf, type SyncParts } from './parts.ts';
import type { Reason } from './patience.ts';
import { type ControlPlace, Places, type RunCause, type SourcePlace, type TargetPlace } from './place.ts';
import type { Run, Runs } from './runs.ts';
import { SourceHalf } from './source-half.ts';
import { TargetHalf } from './target-half.ts';
import { targetInput } from './target-input.ts';
import { intolerable } from './tolerance.ts';

const TRIM_MS = 15_000;

export type JobState = 'running' | 'idle' | 'waiting' | 'paused' | 'stopped';

export interface JobOptions {
  readonly name: string;
  readonly spec: JobSpec;
  readonly parts: SyncParts;
  readonly runs: Runs;
  /** Of the topic it reads: its own, or the one that is its source. */
  readonly partitions: readonly Partition[];
}

export class Job {
  readonly name: string;
  readonly spec: JobSpec;
  readonly partitions: readonly Partition[];
  readonly target: TargetHalf;
  readonly #options: JobOptions;
  readonly #places: Places;
  readonly #wake = new Wake();
  readonly #declaredAt: number;
  readonly #trim: NodeJS.Timeout;
  readonly #unsubscribe: readonly (() => void)[];
  #control: ControlPlace;
  #source: SourceHalf | undefined;
  #requested = false;
  #endedAt: number | undefined;
  #sweptAt = Number.NEGATIVE_INFINITY;
  #due: Due | null = null;
  #stopping = false;
  #live: Promise<void> = Promise.resolve();

  constructor(options: JobOptions) {
    const { name, spec, parts, partitions } = options;
    this.name = name;
    this.spec = spec;
    this.partitions = partitions;
    this.#options = options;
    this.#places = new Places(parts.log, name);
    this.#control = this.#places.control();
    this.#declaredAt = parts.clock.now();
    this.target = new TargetHalf({
      job: name,
      spec,
      parts,
      places: this.#places,
      partitions,
      input: () => targetInput(name, spec, parts, partitions),
      onProgress: (place) => this.#progressed(place),
    });
    this.#trim = setInterval(() => void this.#forgetWritten().catch(() => undefined), TRIM_MS);
    this.#trim.unref();
    const trigger = spec.trigger === undefined ? undefined : parts.log.findTopic(spec.trigger.topic);
    this.#unsubscribe = trigger?.partitions.map((one) => one.onDurable(() => this.#wake.note())) ?? [];
  }

  get state(): JobState {
    if (this.#control.stopped !== null) return 'stopped';
    if (this.paused) return 'paused';
    if (this.reason !== null) return 'waiting';
    return this.#source !== undefined || this.target.working || this.spec.source.topic !== undefined
      ? 'running'
      : 'idle';
  }

  get paused(): boolean {
    return this.#control.paused || this.spec.paused;
  }

  /** Why it waits, or has stopped. */
  get reason(): Reason | null {
    return this.#control.stopped ?? this.target.patience.reason ?? this.#source?.patience.reason ?? null;
  }

  /** Epoch ms of the next attempt, where it waits. */
  get nextAttemptAt(): number | null {
    return this.target.patience.nextAt ?? this.#source?.patience.nextAt ?? null;
  }

  /** Epoch ms of the next run, where that is known. */
  get nextRunAt(): number | null {
    return this.#source === undefined && this.#due !== null ? this.#due.at : null;
  }

  /** The run under way, as far as it has come. */
  get run(): Run | null {
    const place = this.#source?.place;
    return place === undefined ? null : this.#runOf(place, 'running', null);
  }

  get source(): Pick<SourceHalf, 'position' | 'newestAt' | 'place'> | undefined {
    return this.#source;
  }

  /** Begins to work, in the background. */
  start(): void {
    if (this.paused || this.#control.stopped !== null) return;
    const target = this.target.start().catch((error: unknown) => this.#giveUp(asSluiceError(error)));
    const source = this.spec.source.topic === undefined ? this.#runs() : Promise.resolve();
    this.#live = Promise.all([target, source]).then(() => undefined);
  }

  /** Ends what it is at; resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#trim);
    for (const end of this.#unsubscribe) end();
    this.#source?.stop();
    this.#wake.note();
    await this.target.stop();
    await this.#live;
  }

  /** @throws SYNC_RUN_UNDER_WAY, SYNC_JOB_STOPPED, REQUEST_INVALID for one that has no runs of its own */
  requestRun(): void {
    if (this.spec.source.topic !== undefined || this.spec.strategy === 'real_time') {
      throw new SluiceError('REQUEST_INVALID', `${this.name} is in real time: it runs all the time`);
    }
    if (this.paused || this.#control.stopped !== null) {
      throw new SluiceError('SYNC_JOB_STOPPED', `${this.name} is ${this.state}: resume it first`);
    }
    if (this.#source !== undefined || this.#requested) {
      throw new SluiceError('SYNC_RUN_UNDER_WAY', `a run of ${this.name} is under way`);
    }
    this.#requested = true;
    this.#wake.note();
  }

  async #runs(): Promise<void> {
    while (!this.#stopping) {
      const open = this.#openPlace();
      const cause = open === undefined ? await this.#untilDue() : open.cause;
      if (cause === undefined) return;
      await this.#run(open ?? (await this.#begin(cause)));
    }
  }

  /** The run that was under way, when this is still its source. */
  #openPlace(): SourcePlace | undefined {
    const place = this.#places.source();
    return place?.open === true && place.print === printOf(this.spec) ? place : undefined;
  }

  /** Undefined: it is stopped before. */
  async #untilDue(): Promise<RunCause | undefined> {
    while (!this.#stopping) {
      const { parts } = this.#options;
      const now = parts.clock.now();
      const { scheduledAt } = this.#control;
      const { trigger } = this.spec;
      const events = trigger === undefined ? 0 : eventsSince(parts.log, trigger.topic, groupOf(this.name));
      const [requested, declaredAt, endedAt] = [this.#requested, this.#declaredAt, this.#endedAt];
      this.#due = nextDue(this.spec, { now, requested, scheduledAt, declaredAt, endedAt, events });
      if (this.#due !== null && this.#due.at <= now) return this.#due.cause;
      await this.#wake.sleep(this.#due === null ? undefined : this.#due.at - now);
    }
    return undefined;
  }

  async #begin(cause: RunCause): Promise<SourcePlace> {
    const { parts, runs } = this.#options;
    const { log, clock } = parts;
    this.#requested = false;
    const old = this.#places.source();
    const same = old?.print === printOf(this.spec) ? old : undefined;
    const now = clock.now();
    const whole = this.#readsWhole(now);
    const place: SourcePlace = {
      print: printOf(this.spec),
      kind: same?.kind ?? 'pages',
      run: (old?.run ?? 0) + 1,
      open: true,
      done: false,
      whole,
      cause,
      startedAt: now,
      records: 0,
      bytes: 0,
      lost: 0,
      swept: 0,
      from: this.partitions.map(({ tail }) => tail),
      before: this.target.place,
      streams: whole ? {} : (same?.cursors ?? {}),
      cursors: same?.cursors ?? {},
      state: same?.state ?? null,
    };
    const { trigger } = this.spec;
    const seen = (trigger === undefined ? [] : log.topic(trigger.topic).partitions).map((one): OffsetCommit => {
      return { group: groupOf(this.name), topic: one.topic.name, partition: one.index, offset: one.durable };
    });
    this.#control = { ...this.#control, scheduledAt: now };
    const run = this.#runOf(place, 'running', null);
    const told = cause === 'poll' ? [] : [runs.append(run)];
    const state = [this.#places.sourceChange(place), this.#places.controlChange(this.#control)];
    await commit(log, { appends: told, offsets: seen, state });
    if (cause !== 'poll') runs.keep(run);
    return place;
  }

  /** Mirroring needs to have seen everything; of a source that is polled, now and then. */
  #readsWhole(now: number): boolean {
    const { strategy, mode, sweep_ms } = this.spec;
    if (mode !== 'mirror') return mode === 'full';
    if (strategy !== 'real_time') return true;
    return sweep_ms > 0 && now - this.#sweptAt >= sweep_ms;
  }

  async #run(place: SourcePlace): Promise<void> {
    const { parts } = this.#options;
    const source = new SourceHalf(
      {
        job: this.name,
        spec: this.spec,
        parts,
        places: this.#places,
        partitions: this.partitions,
        unwritten: () => this.#unwritten(),
      },
      place,
    );
    this.#source = source;
    try {
      await source.run().catch((error: unknown) => this.#giveUp(asSluiceError(error)));
      while (!this.#stopping && this.target.lag() > 0) await this.#wake.sleep();
      // A kill may have come between what was rejected and stopping for it.
      this.#progressed(this.target.place);
      if (this.#stopping) return;
      await this.#end(await this.#swept(source.place), 'done', null);
    } finally {
      this.#endedAt = parts.clock.now();
      this.#source = undefined;
      // The half has ended: nothing can be read behind what is written down now.
      if (this.#control.stopped !== null) await this.#end(source.place, 'failed', this.#control.stopped);
    }
  }

  /** Only after all of the source was read, and all of that is written. */
  async #swept(place: SourcePlace): Promise<SourcePlace> {
    if (!place.whole || this.spec.mode !== 'mirror' || place.kind !== 'pages') return place;
    const { clock } = this.#options.parts;
    const { run, from } = place;
    const extents = this.partitions.flatMap((partition, i) => {
      return partition.extent(Math.max(from[i] ?? 0, partition.start), Number.MAX_SAFE_INTEGER) ?? [];
    });
    let swept = 0;
    for (const { from: stream } of this.spec.streams) {
      const { deleted } = await this.target.aside((thread) => thread.call('sweep', { run, extents, stream }, 0));
      swept += deleted;
    }
    this.#sweptAt = clock.now();
    return { ...place, swept };
  }

  async #end(place: SourcePlace, state: Run['state'], reason: Reason | null): Promise<void> {
    const { parts, runs } = this.#options;
    const current = this.#places.source();
    if (current?.run === place.run && !current.open) return;
    const run = this.#runOf(place, state, reason);
    const told = place.cause === 'poll' && run.records === 0 && state === 'done' ? [] : [runs.append(run)];
    const ended = { ...place, open: false, cursors: cursorsOf(place) };
    await commit(parts.log, { appends: told, state: [this.#places.sourceChange(ended)] });
    if (told.length > 0) runs.keep(run);
  }

  #runOf(place: SourcePlace, state: Run['state'], reason: Reason | null): Run {
    const { run, cause, startedAt, records, bytes, swept, lost, before } = place;
    const done = this.target.place;
    return {
      job: this.name,
      run,
      cause,
      state,
      reason,
      startedAt,
      endedAt: state === 'running' ? null : this.#options.parts.clock.now(),
      records,
      bytes,
      written: done.written - before.written,
      deleted: done.deleted - before.deleted + swept,
      swept,
      rejected: done.rejected - before.rejected + lost,
      ignoredFields: done.ignoredFields - before.ignoredFields,
    };
  }

  /** What it gave up over keeps it from going on until somebody resumes it. */
  async #giveUp({ code, message }: SluiceError): Promise<void> {
    if (this.#stopping || this.#control.stopped !== null) return;
    const reason = { code, message };
    this.#control = { ...this.#control, stopped: reason };
    const { parts } = this.#options;
    parts.logger.error({ job: this.name, ...reason }, 'a sync job has stopped');
    // Before anything is waited for: a run that has written its last record must not end well meanwhile.
    this.#stopping = true;
    this.#source?.stop();
    this.#wake.note();
    void this.target.stop();
    await commit(parts.log, { state: [this.#places.controlChange(this.#control)] });
  }

  #progressed(place: TargetPlace): void {
    this.#source?.note();
    this.#wake.note();
    const before = this.#source?.place.before ?? this.#places.source()?.before ?? this.#control.since;
    const error = intolerable(this.spec, before, place);
    if (error !== undefined) void this.#giveUp(error);
  }

  #unwritten(): number {
    return this.partitions.reduce((sum, partition) => {
      const { start, tail, bytes } = partition;
      return sum + (tail > start ? (bytes * (tail - this.target.committed(partition))) / (tail - start) : 0);
    }, 0);
  }

  /** Of its own topic: what every job that reads it has written, and what is old enough. */
  async #forgetWritten(): Promise<void> {
    const { spec, name } = this;
    const { parts } = this.#options;
    if (spec.source.topic !== undefined) return;
    const { log, clock } = parts;
    const readers = log.groups().filter((group) => group.startsWith('sync:') && group !== groupOf(name));
    const runFrom = this.#source?.place.whole === true ? this.#source.place.from : undefined;
    for (const partition of this.partitions) {
      const others = readers.flatMap((group) => {
        return log.committedOffset(group, partition.topic.name, partition.index) ?? [];
      });
      const old = partition.offsetForTime(clock.now() - spec.keep_ms);
      const from = runFrom?.[partition.index] ?? Number.POSITIVE_INFINITY;
      const until = Math.min(this.target.committed(partition), old, from, ...others);
      if (until > partition.start) await partition.trim(until);
    }
  }
}

/** Where the next run of streams with a cursor begins. */
function cursorsOf({ whole, done, streams, cursors }: SourcePlace): SourcePlace['cursors'] {
  if (whole || !done) return cursors;
  const states = Object.entries(streams).map(([name, { state }]) => [name, state === undefined ? {} : { state }]);
  return Object.fromEntries(states);
}

/** Of another source, or other streams, a place is worth nothing. */
function printOf({ source, streams }: JobSpec): string {
  const said = JSON.stringify([source, streams.map(({ from, cursor }) => [from, cursor ?? null])]);
  return createHash('sha256').update(said).digest('base64url').slice(0, 22);
}
