/**
 * One partition of a processor: reads its inputs' partition, runs them through an instance on a lane, and commits what
 * came out together with the place it has come to and the state it has changed.
 *
 *   prepare ─▶ cut extents ─▶ credit ─▶ run on the lane ─▶ commit ───┐
 *      ▲            ▲                        │   (the next run begins while the commit is on its way)
 *      │            └────────────────────────┴──────────────────────┘
 *      └── thread lost, commit failed: back to what is committed
 *
 * What a worker holds is never ahead of the log by more than one run and one commit, and never counts until the commit.
 */
import { asSluiceError, crashPoint, SluiceError } from '#kernel';
import { deadLetterBatch, ensureDeadTopic, type Partition } from '#log';
import type { RunResult } from '../task.ts';
import type { Fault, RunInput, RunReply } from '../worker/protocol.ts';
import { Attempts } from './attempts.ts';
import type { Credit, Loan } from './credit.ts';
import type { InputTime, InputTimes } from './input-times.ts';
import { LaneFailure } from './lane.ts';
import type { LaneSession } from './lane-session.ts';
import type { ProcessorCounts } from './processor-counts.ts';
import { RunSize } from './run-size.ts';
import { groupOf, type ProcessingParts, type ProcessorSettings, stateSpaceOf } from './settings.ts';
import { Wake } from './wake.ts';

/** Before it is tried again after the disk was full or a commit failed. */
const RETRY_MS = 250;
/** Before it is tried again when the log has no room. */
const BUSY_MS = 10;

export interface RunnerOptions {
  readonly name: string;
  readonly index: number;
  readonly inputs: readonly Partition[];
  readonly settings: ProcessorSettings;
  readonly session: LaneSession;
  readonly credit: Credit;
  readonly counts: ProcessorCounts;
  /** Absent where inputs are never taken to be idle. */
  readonly times: InputTimes | undefined;
  readonly parts: ProcessingParts;
}

export class PartitionRunner {
  readonly index: number;
  readonly #options: RunnerOptions;
  readonly #attempts: Attempts;
  readonly #size = new RunSize();
  readonly #wake = new Wake();
  readonly #unsubscribe: (() => void)[];
  /** Of each input; empty where none is ever idle. */
  readonly #times: readonly InputTime[];
  readonly #done: Promise<void>;
  /** The next offset of each input, ahead of what is committed by the commit that is on its way. */
  #position: number[] = [];
  #committing: Promise<void> = Promise.resolve();
  #stopping = false;
  #instance: string | undefined;
  #nextTimerAt: number | null = null;
  /** Of the monotonic clock: when it last ran for nothing but the time of idle inputs. */
  #followedAt = Number.NEGATIVE_INFINITY;
  /** Set when it has given up: a person has to look. */
  error: SluiceError | undefined;
  watermark: number | null = null;
  stateEntries = 0;
  stateBytes = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.index = options.index;
    this.#attempts = new Attempts(options.settings);
    const { times } = options;
    this.#times = times === undefined ? [] : options.inputs.map(() => times.add());
    this.#unsubscribe = options.inputs.map((partition) => partition.onDurable(() => this.#wake.note()));
    this.#done = this.#live();
  }

  /** Whether these are the very partitions it reads. */
  reads(inputs: readonly Partition[]): boolean {
    return inputs.every((partition, i) => partition === this.#options.inputs[i]);
  }

  /** Ends after the run that is under way; resolves when its commit has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake.note();
    await this.#done;
  }

  async #live(): Promise<void> {
    while (!this.#stopping && this.error === undefined) {
      try {
        await this.#prepare();
        await this.#process();
      } catch (error) {
        await this.#failed(error);
      }
    }
    await this.#committing.catch(() => undefined);
    for (const end of this.#unsubscribe) end();
    for (const time of this.#times) this.#options.times?.remove(time);
    if (this.#instance !== undefined) this.#options.session.drop(this.#instance);
  }

  /** An instance with the state that is committed, and the place that belongs to it. */
  async #prepare(): Promise<void> {
    await this.#committing.catch(() => undefined);
    this.#committing = Promise.resolve();
    const { session, name, inputs, parts, settings } = this.#options;
    if (this.#instance !== undefined) session.drop(this.#instance);
    this.#instance = undefined;
    this.#position = inputs.map(({ topic, index, start, durable }) => {
      const committed = parts.log.committedOffset(groupOf(name), topic.name, index);
      return committed ?? (settings.from === 'latest' ? durable : start);
    });
    for (const input of this.#times) {
      input.time = Number.NEGATIVE_INFINITY;
      input.quietSince = undefined;
    }
    const state = await parts.log.stateExtent(stateSpaceOf(name, this.index));
    const { id, held } = await session.prepare(this.index, state);
    this.#instance = id;
    this.#nextTimerAt = parts.clock.now();
    this.stateEntries = held.entries;
    this.stateBytes = held.bytes;
  }

  async #process(): Promise<void> {
    while (!this.#stopping) {
      const inputs = this.#cut();
      const { clock } = this.#options.parts;
      const timerMs = this.#nextTimerAt === null ? Number.POSITIVE_INFINITY : this.#nextTimerAt - clock.now();
      if (inputs.every(({ extent }) => extent === null) && timerMs > 0 && !this.#mayFollow(inputs)) {
        await this.#wake.sleep(Math.min(timerMs, this.#options.times?.lookMs ?? timerMs));
        continue;
      }
      await this.#run(inputs, timerMs <= 0);
    }
  }

  /** Whether time alone is a reason to run, for inputs that are idle while others go on: now and then, not at each step. */
  #mayFollow(inputs: readonly RunInput[]): boolean {
    const { times, parts } = this.#options;
    if (times === undefined || inputs.every(({ idleAt }) => idleAt === undefined)) return false;
    const now = parts.clock.monotonic();
    if (now - this.#followedAt < times.lookMs) return false;
    this.#followedAt = now;
    return true;
  }

  #idleAt(input: number, hasMore: boolean): number | undefined {
    const time = this.#times[input];
    if (time === undefined) return undefined;
    const now = this.#options.parts.clock.monotonic();
    time.quietSince = hasMore ? undefined : (time.quietSince ?? now);
    return this.#options.times?.idleAt(time, now);
  }

  #cut(): RunInput[] {
    return this.#options.inputs.map((partition, i) => {
      let from = this.#position[i] as number;
      if (from < partition.start) {
        this.#options.counts.skipped.add(partition.start - from);
        this.#options.parts.logger.warn(
          { processor: this.#options.name, topic: partition.topic.name, partition: partition.index, from },
          'records were trimmed before the processor had read them',
        );
        from = partition.start;
        this.#position[i] = from;
      }
      const extent = partition.extent(from, this.#size.bytes);
      const { topic, index } = partition;
      const idleAt = this.#idleAt(i, extent !== null);
      return { topic: topic.name, partition: index, from, extent, until: this.#attempts.until(i, from), idleAt };
    });
  }

  async #run(inputs: readonly RunInput[], fireTimers: boolean): Promise<void> {
    const { session, credit, parts, settings } = this.#options;
    const loan = await credit.take(session.lane.index, this.#size.bytes);
    let reply: RunReply;
    try {
      await session.feedTables();
      const now = parts.clock.now();
      const dead = this.#attempts.dead();
      const job = { instance: this.#instance as string, inputs, maxBytes: this.#size.bytes, now, dead, fireTimers };
      reply = await session.lane.run<RunReply>('run', job, settings.runMs);
      if (reply.kind === 'done') return await this.#commit(inputs, reply.result, reply.runMs, loan);
    } catch (error) {
      loan.giveBack();
      throw error;
    }
    loan.giveBack();
    await this.#refused(reply, inputs);
  }

  async #refused(reply: Exclude<RunReply, { kind: 'done' }>, inputs: readonly RunInput[]): Promise<void> {
    if (reply.kind === 'fault') return await this.#blame(reply.fault, inputs);
    if (reply.kind === 'unknown') throw new SluiceError('NOT_READY', 'the worker thread was replaced');
    throw new SluiceError(reply.code, reply.message);
  }

  /** Waits as long as the record, or the run, is to rest. @throws when it is hopeless */
  async #blame(fault: Fault, inputs: readonly RunInput[]): Promise<void> {
    const { counts, name, parts } = this.#options;
    const { topic = '', from = 0 } = inputs[fault.input] ?? {};
    counts.errors.add();
    counts.lastError = { code: fault.code, message: fault.message, topic, offset: fault.offset, at: parts.clock.now() };
    const waitMs = this.#attempts.failed(fault, topic, from);
    if (waitMs === undefined) throw new Hopeless(new SluiceError(fault.code, fault.message));
    parts.logger.warn({ processor: name, partition: this.index, topic, ...fault, waitMs }, 'a processor failed');
    if (waitMs > 0) await this.#pause(waitMs);
  }

  async #pause(ms: number): Promise<void> {
    const endsAt = this.#options.parts.clock.monotonic() + ms;
    for (;;) {
      const leftMs = endsAt - this.#options.parts.clock.monotonic();
      if (leftMs <= 0 || this.#stopping) return;
      await this.#wake.sleep(leftMs);
    }
  }

  /** Begins the commit when the one before has succeeded, and does not wait for it. */
  async #commit(inputs: readonly RunInput[], result: RunResult, runMs: number, loan: Loan): Promise<void> {
    const { outputs, state, dead, next } = result;
    loan.settle(outputs.reduce((sum, { batch }) => sum + batch.length, 0) + (state?.length ?? 0));
    await this.#committing;
    const { name, parts, counts } = this.#options;
    const { log } = parts;
    const letters = await Promise.all(
      dead.map(async (letter) => ({
        partition: await ensureDeadTopic(log, letter.topic),
        batch: deadLetterBatch(letter, parts.limits),
      })),
    );
    const moved = inputs.flatMap(({ topic, partition }, i) =>
      next[i] === this.#position[i] ? [] : [{ group: groupOf(name), topic, partition, offset: next[i] as number }],
    );
    const request = {
      appends: [
        ...outputs.map(({ topic, partition, batch }) => ({ partition: log.partition(topic, partition), batch })),
        ...letters,
      ],
      offsets: moved,
      stateBlocks: state === null ? [] : [{ space: stateSpaceOf(name, this.index), block: state }],
    };
    this.#size.observe(
      runMs,
      inputs.some(({ extent }, i) => extent !== null && (next[i] as number) < extent.to),
    );
    this.#position = [...next];
    for (const [i, offset] of next.entries()) this.#attempts.passed(i, offset);
    for (const [i, input] of this.#times.entries()) input.time = result.times[i] ?? Number.NEGATIVE_INFINITY;
    this.#options.times?.note(parts.clock.monotonic());
    this.#nextTimerAt = result.more ? parts.clock.now() : result.nextTimerAt;
    const committing = this.#write(request).finally(() => loan.giveBack());
    this.#committing = committing;
    // What it failed with is met by whoever awaits it next.
    committing.then(
      () => {
        counts.add(result, runMs);
        this.watermark = result.watermark;
        this.stateEntries = result.stateEntries;
        this.stateBytes = result.stateBytes;
      },
      () => this.#wake.note(),
    );
  }

  async #write(request: Parameters<ProcessingParts['log']['commit']>[0]): Promise<void> {
    const { log } = this.#options.parts;
    if (request.appends?.length === 0 && request.offsets?.length === 0 && request.stateBlocks?.length === 0) return;
    crashPoint('before-commit');
    for (;;) {
      try {
        await log.commit(request);
        crashPoint('after-commit');
        return;
      } catch (error) {
        if (!(error instanceof SluiceError && error.code === 'LOG_BUSY')) throw error;
        await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
      }
    }
  }

  /** Back to what is committed; after a lost thread with the record it was at under suspicion. */
  async #failed(error: unknown): Promise<void> {
    const { counts, name, parts, inputs } = this.#options;
    try {
      if (error instanceof LaneFailure) {
        const from = inputs.map(({ topic, index }, i) => {
          const from = this.#position[i] ?? 0;
          return { topic: topic.name, partition: index, from, extent: null, until: undefined, idleAt: undefined };
        });
        const { code, message, input, offset, stack } = error;
        return await this.#blame({ code, message, input, offset, stack }, from);
      }
      if (error instanceof Hopeless) throw error;
      const coded = asSluiceError(error);
      if (this.#stopping || coded.code === 'NOT_READY') return;
      counts.errors.add();
      counts.lastError = { code: coded.code, message: coded.message, topic: '', offset: -1, at: parts.clock.now() };
      parts.logger.warn({ err: error, processor: name, partition: this.index }, 'a processor goes back to its commit');
      if (!coded.retryable && coded.code !== 'OFFSET_TRIMMED') throw new Hopeless(coded);
      await this.#pause(RETRY_MS);
    } catch (last) {
      this.error = last instanceof Hopeless ? last.reason : asSluiceError(last);
      parts.logger.error({ err: this.error, processor: name, partition: this.index }, 'a processor has stopped');
    }
  }
}

/** Trying again would not help. */
class Hopeless extends Error {
  readonly reason: SluiceError;

  constructor(reason: SluiceError) {
    super(reason.message);
    this.reason = reason;
  }
}
