/**
 * One queue: a group that takes the records of one topic key by key. Shares them over its members by their permits,
 * takes back what is refused, timed out or lost, and has what is done written.
 *
 *   partitions ──read ahead──▶ lanes ──one record a lane──▶ members ──ack──▶ done, written
 *                                ▲                            └─nack, time-out, loss──▶ away, backoff ─┬▶ lane
 *                                └────────────────────────────────────────────────────────────────────┘└▶ dead letter
 *
 * A key has at most one record out, so its records are done in order, whoever has them; a slow key holds up nothing but
 * itself. Called by `QueueGroups`; what goes to whom is decided in `hand-out.ts`.
 */
import { type Clock, type Limits, SluiceError } from '#kernel';
import type { Log, Partition, Topic } from '../contract.ts';
import { backoff } from './backoff.ts';
import { HandOut } from './hand-out.ts';
import type { Death, Held } from './lane.ts';
import { type NackOptions, QueueMember, type QueueMemberOptions } from './queue-member.ts';
import type { QueueDepth, QueueMetrics } from './queue-metrics.ts';
import { QueuePartition } from './queue-partition.ts';
import { isQueue, loadPages } from './queue-state.ts';
import { QueueWriter } from './queue-writer.ts';

/** Batches that are read for delayed records in one turn. */
const TURN_READS = 16;
/** The wall clock may be set, so that a long wait is cut into pieces. */
const WAIT_MS_MAX = 1_000;
/** A dead letter that could not be written is tried again. */
const BURY_AGAIN_MS = 5_000;

export interface QueueGroupParts {
  readonly log: Log;
  readonly group: string;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly metrics: QueueMetrics;
  /** From 0 to below 1. */
  readonly random: () => number;
}

type StartOf = (partition: Partition) => number;

export class QueueGroup {
  readonly #parts: QueueGroupParts;
  readonly #members = new Set<QueueMember>();
  readonly #handOut: HandOut;
  #topic: Topic;
  #writer: QueueWriter;
  #partitions: QueuePartition[] = [];
  #unwatch: (() => void)[] = [];
  #scheduled = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(parts: QueueGroupParts, topic: Topic) {
    this.#parts = parts;
    this.#topic = topic;
    this.#writer = this.#newWriter();
    this.#handOut = new HandOut({
      limits: parts.limits,
      metrics: parts.metrics,
      partitions: () => this.#partitions,
      members: () => this.#members,
      changed: (partition) => this.#writer.changed(partition),
    });
  }

  get topic(): string {
    return this.#topic.name;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Nobody is in it and everything said is durable. */
  get idle(): boolean {
    return this.#members.size === 0 && this.#writer.idle;
  }

  get members(): ReadonlySet<QueueMember> {
    return this.#members;
  }

  #newWriter(): QueueWriter {
    const { log, group, limits, clock, metrics } = this.#parts;
    const parts = {
      log,
      group,
      limits,
      clock,
      topic: this.#topic,
      buried: (held: Held) => {
        metrics.dead.add();
        held.lane.partition.forget(held);
        this.wake();
      },
      unburied: (held: Held) => this.#sendAway(held, BURY_AGAIN_MS),
    };
    return new QueueWriter(parts, isQueue(log, group));
  }

  /** A partition that was added since the group began is read from its start. @throws what `startOf` throws */
  join(id: string, options: QueueMemberOptions): QueueMember {
    const { log, group } = this.#parts;
    const known = this.#topic.partitions.some(
      ({ topic, index }) => log.committedOffset(group, topic.name, index) !== undefined,
    );
    this.#attach(known || this.#partitions.length > 0 ? ({ start }) => start : options.startOf);
    const member = new QueueMember(id, options, {
      wake: () => this.wake(),
      ack: (who, partition, offset) => this.#ack(who, partition, offset),
      nack: (who, partition, offset, how) => this.#nack(who, partition, offset, how),
      extend: (who, partition, offset) => this.#extend(who, partition, offset),
      written: () => this.#writer.written(),
      leave: (who, lost) => this.#leave(who, lost),
    });
    this.#members.add(member);
    this.wake();
    return member;
  }

  /** Takes in the partitions that are not yet here; all of them or none. */
  #attach(startOf: StartOf): void {
    const { log, group } = this.#parts;
    const missing = this.#topic.partitions.slice(this.#partitions.length);
    const starts = missing.map((partition) => {
      const committed = log.committedOffset(group, this.#topic.name, partition.index);
      return { partition, committed, base: Math.min(committed ?? startOf(partition), partition.durable) };
    });
    for (const { partition, committed, base } of starts) {
      const pages = loadPages(log, group, partition, base);
      const parts = {
        partition,
        pages,
        totals: this.#handOut.totals,
        ready: (lane: Held['lane']) => this.#handOut.ready(lane),
        report: (error: SluiceError) => this.#report(error, partition.index),
      };
      const added = new QueuePartition(parts, committed);
      this.#partitions.push(added);
      this.#unwatch.push(
        partition.onDurable(() => {
          added.atEnd = false;
          this.wake();
        }),
      );
      // Where the group begins is kept, or what comes until the first acknowledgement could be missed after a restart.
      if (committed === undefined) this.#writer.changed(added);
    }
  }

  #report(error: SluiceError, partition: number): void {
    if (error.code === 'OFFSET_TRIMMED') return;
    const told = new SluiceError(error.code, error.message, { ...error.details, partition }, error);
    for (const { listener } of this.#members) listener.failed(told);
  }

  /** Looks after its topic: grown, trimmed, gone, or another of the same name. True: what it had is gone. */
  follow(): boolean {
    const topic = this.#parts.log.findTopic(this.#topic.name);
    const gone = topic !== this.#topic && this.#partitions.length > 0;
    if (topic !== this.#topic) this.#drop();
    if (topic === undefined) return gone;
    if (topic !== this.#topic) {
      this.#topic = topic;
      this.#writer = this.#newWriter();
    }
    if (this.#members.size > 0 && topic.partitions.length > this.#partitions.length) this.#attach(({ start }) => start);
    for (const partition of this.#partitions) if (partition.followStart()) this.#writer.changed(partition);
    this.#writer.writeSoon();
    this.wake();
    return gone;
  }

  /** Forgets what it knows of a topic that is gone. */
  #drop(): void {
    for (const unwatch of this.#unwatch) unwatch();
    for (const member of this.#members) while (member.held.first !== undefined) member.held.remove(member.held.first);
    for (const partition of this.#partitions) partition.clear();
    this.#handOut.clear();
    this.#unwatch = [];
    this.#partitions = [];
  }

  /** @throws MEMBER_FENCED, PARTITION_UNKNOWN; undefined for a record that is done */
  #heldBy(member: QueueMember, index: number, offset: number): Held | undefined {
    const partition = this.#partitions[index];
    const held = partition?.held.get(offset);
    if (held?.member === member && held.state !== 'dying') return held;
    const { name } = this.#topic;
    if (partition === undefined) throw new SluiceError('PARTITION_UNKNOWN', `topic ${name} has no partition ${index}`);
    if (held === undefined && partition.pages.isDone(offset)) return undefined;
    throw this.#fenced(index, offset);
  }

  #fenced(partition: number, offset: number): SluiceError {
    const topic = this.#topic.name;
    const message = `record ${offset} of ${topic}/${partition} is not with this member`;
    return new SluiceError('MEMBER_FENCED', message, { topic, partition, offset });
  }

  #ack(member: QueueMember, index: number, offset: number): void {
    const held = this.#heldBy(member, index, offset);
    if (held === undefined) return;
    if (held.state === 'out') member.held.remove(held);
    const { partition } = held.lane;
    partition.finish(held);
    this.#parts.metrics.acknowledged.add();
    this.#writer.changed(partition);
    this.wake();
  }

  #nack(member: QueueMember, index: number, offset: number, { delayMs, dead, reason, stack }: NackOptions): void {
    const held = this.#heldBy(member, index, offset);
    // What came back by itself has been counted; a late refusal changes nothing.
    if (held?.state !== 'out') return;
    const death = { code: 'NACKED', message: reason ?? 'refused', ...(stack === undefined ? {} : { stack }) };
    this.#fail(held, death, delayMs, dead);
  }

  #extend(member: QueueMember, index: number, offset: number): void {
    const held = this.#heldBy(member, index, offset);
    if (held === undefined) return;
    if (held.state !== 'out') throw this.#fenced(index, offset);
    member.held.remove(held);
    held.deadline = this.#parts.clock.monotonic() + member.options.visibilityMs;
    member.held.add(held);
  }

  /** A hand-out came to nothing. The record stays away for a while, or, after its last attempt, for good. */
  #fail(held: Held, death: Death, delayMs?: number, dead = false): void {
    const member = held.member as QueueMember;
    const { maxAttempts } = member.options;
    const { partition } = held.lane;
    member.held.remove(held);
    held.failures++;
    this.#parts.metrics.failures.add();
    if (dead || (maxAttempts > 0 && held.failures >= maxAttempts)) {
      held.death = death;
      partition.pages.fail(held.offset, { failures: held.failures, due: 0 });
      this.#bury(held);
    } else this.#sendAway(held, delayMs ?? backoff(held.failures, member.options, this.#parts.random()));
    this.#writer.changed(partition);
  }

  #sendAway(held: Held, delayMs: number): void {
    const { partition } = held.lane;
    held.state = 'away';
    held.due = this.#parts.clock.now() + delayMs;
    partition.pages.fail(held.offset, { failures: held.failures, due: held.due });
    partition.away.push(held.due, held.offset);
    this.wake();
  }

  #bury(held: Held): void {
    held.state = 'dying';
    this.#writer.bury(held);
  }

  async #leave(member: QueueMember, lost: boolean): Promise<void> {
    if (!this.#members.delete(member)) return;
    for (let held = member.held.first; held !== undefined; held = member.held.first) {
      if (lost) this.#fail(held, { code: 'MEMBER_LOST', message: `member ${member.id} was lost` });
      else this.#release(held);
    }
    this.wake();
    await this.#writer.written();
  }

  /** As if it had not been handed out. */
  #release(held: Held): void {
    held.member?.held.remove(held);
    held.member = undefined;
    held.state = 'ready';
    this.#handOut.ready(held.lane);
  }

  /** Something may go out now: looks in a later turn. Also called by those who hold a clock that jumps. */
  wake(): void {
    if (this.#scheduled || this.#closed || this.#members.size === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#closed && this.#members.size > 0) this.#turn();
    });
  }

  #turn(): void {
    const { clock } = this.#parts;
    const now = clock.now();
    const monotonic = clock.monotonic();
    let waitMs = WAIT_MS_MAX;
    try {
      const more = this.#takeBack(now, monotonic);
      waitMs = Math.min(waitMs, this.#handOut.turn(now, monotonic));
      if (waitMs === 0 || more) this.wake();
    } catch (error) {
      if (!(error instanceof SluiceError && error.code === 'SHUTTING_DOWN')) throw error;
    }
    this.#setTimer(now, monotonic, waitMs);
  }

  /** What is due now may go out again. True: there is more of it. */
  #takeBack(now: number, monotonic: number): boolean {
    for (const member of this.#members) {
      for (let held = member.held.first; held !== undefined && held.deadline <= monotonic; held = member.held.first) {
        const { visibilityMs } = member.options;
        this.#fail(held, { code: 'TIMED_OUT', message: `neither acknowledged nor refused in ${visibilityMs} ms` });
      }
    }
    let left = TURN_READS;
    for (const partition of this.#partitions) {
      for (let offset = partition.away.take(now); offset !== undefined; offset = partition.away.take(now)) {
        this.#comeBack(partition.held.get(offset), now);
      }
      left = partition.admit(now, left);
    }
    return left === 0;
  }

  /** An entry may be stale: done since, or away again until later. */
  #comeBack(held: Held | undefined, now: number): void {
    if (held?.state !== 'away' || held.due > now) return;
    if (held.death !== undefined) {
      this.#bury(held);
      return;
    }
    held.state = 'ready';
    this.#handOut.ready(held.lane);
  }

  #setTimer(now: number, monotonic: number, atMostMs: number): void {
    let waitMs = atMostMs;
    for (const { away, delayed } of this.#partitions) {
      waitMs = Math.min(waitMs, away.next - now, delayed.next - now);
    }
    for (const { held } of this.#members) {
      if (held.first !== undefined) waitMs = Math.min(waitMs, held.first.deadline - monotonic);
    }
    const at = monotonic + Math.max(1, waitMs);
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY;
        this.#handOut.rested();
        this.wake();
      },
      Math.max(1, Math.ceil(waitMs)),
    );
  }

  /** Of a partition, how many are done at or above `committed`, which may be behind what is known here. */
  doneAbove(index: number, committed: number): number {
    const pages = this.#partitions[index]?.pages;
    return pages === undefined ? 0 : pages.above + pages.base - committed;
  }

  depth(): QueueDepth {
    let inFlight = 0;
    for (const { held } of this.#members) inFlight += held.size;
    const sum = (of: (partition: QueuePartition) => number) => this.#partitions.reduce((all, one) => all + of(one), 0);
    return {
      group: this.#parts.group,
      topic: this.#topic.name,
      inFlight,
      away: this.#handOut.totals.held - inFlight,
      delayed: sum(({ delayed }) => delayed.size),
      waiting: sum(({ waiting }) => waiting),
    };
  }

  /** Writes what waits. @throws what the log could not write it for */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** Everyone is gone, without being told; what they had counts as never handed out. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#members.clear();
    for (const unwatch of this.#unwatch.splice(0)) unwatch();
    await this.flush();
  }
}
