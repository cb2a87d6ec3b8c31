/**
 * Who gets what, in one turn of the event loop: records that came back first, then lanes in the order in which they
 * became free, reading ahead when none is; of the members who may be given more, the one that has least.
 *
 * Reading on behind busy keys is worth it only where other keys are. While records are being handed out, and what was
 * read brought no free key, the next read waits a little; when nothing has gone out for a while, it does not.
 *
 * What is bounded, and what happens then: records out or away (`queueHeldRecordsMax`): nothing new goes out. Offsets
 * read ahead (`queueWindowRecordsMax`), delayed records (`queueDelayedRecordsMax`): reading stops until there are fewer.
 * Bytes of what was read ahead (`queueWindowBytesMax`): the oldest are let go, and read again when their turn comes.
 */
import type { Limits } from '#kernel';
import { type Lane, LaneList } from './lane.ts';
import type { QueueMember } from './queue-member.ts';
import type { QueueMetrics } from './queue-metrics.ts';
import type { QueuePartition, QueueTotals } from './queue-partition.ts';

/** Of one turn; then others get theirs. */
const TURN_RECORDS = 512;
const TURN_BYTES = 256 * 1024;
const TURN_READS = 4;
/** Between two reads that bring nothing, at most; and how long nothing goes out until they do not wait. */
const READ_PAUSE_MS_MAX = 10;
/** Batches that single records are read from may go beyond the memory of the window so far until the next read. */
const SINGLE_READS_SHARE = 1.5;
/** Members looked at for the one that has least. */
const CHOICES = 8;

export interface HandOutParts {
  readonly limits: Limits;
  readonly metrics: QueueMetrics;
  partitions(): readonly QueuePartition[];
  members(): Iterable<QueueMember>;
  /** Records of it are done that nobody acknowledged: the log does not have them any more. */
  changed(partition: QueuePartition): void;
}

export class HandOut {
  readonly totals: QueueTotals = { held: 0 };
  readonly #parts: HandOutParts;
  readonly #returned = new LaneList();
  readonly #fresh = new LaneList();
  /** Whose turn it is to be read. */
  #reading = 0;
  #choice = 0;
  #readsLeft = 0;
  /** Reads in a row that brought no free lane. */
  #vain = 0;
  #readAt = 0;
  #handedAt = Number.NEGATIVE_INFINITY;
  #pauseMs = 0;

  constructor(parts: HandOutParts) {
    this.#parts = parts;
  }

  /** The lane can hand something out. */
  ready(lane: Lane): void {
    if (lane.held === undefined) this.#fresh.push(lane);
    else this.#returned.push(lane);
  }

  clear(): void {
    this.#returned.clear();
    this.#fresh.clear();
  }

  /** Milliseconds until there is more to be done, unless something happens before; infinite when nothing is known of. */
  turn(now: number, monotonic: number): number {
    const { metrics } = this.#parts;
    const open = [...this.#parts.members()].filter(({ permits, listener }) => permits > 0 && listener.writable);
    const served = [...open];
    this.#readsLeft = TURN_READS;
    this.#pauseMs = 0;
    this.#makeRoom(this.#parts.limits.queueWindowBytesMax * SINGLE_READS_SHARE);
    let records = 0;
    let bytes = 0;
    let lane: Lane | undefined;
    while (records < TURN_RECORDS && bytes < TURN_BYTES && open.length > 0) {
      lane = this.#nextLane(now, monotonic);
      if (lane === undefined) break;
      const { partition } = lane;
      const taken = partition.takeNext(lane);
      if (taken === undefined) {
        this.#parts.changed(partition);
        continue;
      }
      const { held, record } = taken;
      const at = this.#choose(open);
      const member = open[at] as QueueMember;
      held.state = 'out';
      held.member = member;
      held.deadline = monotonic + member.options.visibilityMs;
      member.held.add(held);
      member.outbox.push({ partition: partition.partition.index, attempt: held.failures + 1, record });
      if (--member.permits === 0) open.splice(at, 1);
      metrics.handedOut.add();
      if (held.failures > 0) metrics.redelivered.add();
      records++;
      this.#handedAt = monotonic;
      bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
    }
    for (const member of served) deliver(member);
    if (open.length === 0) return Number.POSITIVE_INFINITY;
    if (lane !== undefined || this.#readsLeft === 0) return 0;
    return this.#pauseMs > 0 ? this.#pauseMs : Number.POSITIVE_INFINITY;
  }

  #nextLane(now: number, monotonic: number): Lane | undefined {
    for (let lane = this.#returned.shift(); lane !== undefined; lane = this.#returned.shift()) {
      if (lane.held?.state === 'ready') return lane;
      // Acknowledged late, after it had come back.
      if (lane.held === undefined && lane.waiting > 0) this.#fresh.push(lane);
    }
    if (this.totals.held >= this.#parts.limits.queueHeldRecordsMax) return undefined;
    for (;;) {
      const lane = this.#fresh.shift();
      if (lane === undefined) {
        if (!this.#read(now, monotonic)) return undefined;
      } else if (lane.held === undefined && lane.waiting > 0) return lane;
    }
  }

  /** Reads ahead in the next partition that has more. False: nothing was read. */
  #read(now: number, monotonic: number): boolean {
    const partitions = this.#parts.partitions();
    if (this.#readsLeft === 0 || this.#isPausing(partitions, monotonic) || this.#isFull(partitions)) return false;
    for (let i = 0; i < partitions.length; i++) {
      const partition = partitions[this.#reading++ % partitions.length] as QueuePartition;
      if (partition.atEnd) continue;
      const { base } = partition.pages;
      const found = partition.readAhead(now);
      if (partition.pages.base !== base) this.#parts.changed(partition);
      if (!found) continue;
      this.#readsLeft--;
      this.#vain = this.#fresh.size > 0 ? 0 : this.#vain + 1;
      this.#readAt = monotonic;
      return true;
    }
    return false;
  }

  #isPausing(partitions: readonly QueuePartition[], monotonic: number): boolean {
    if (this.#vain === 0 || monotonic - this.#handedAt > READ_PAUSE_MS_MAX) return false;
    // Nothing is left behind any key, so that what comes next finds most of them free.
    if (partitions.every(({ waiting }) => waiting === 0)) return false;
    const pauseMs = this.#readAt + Math.min(READ_PAUSE_MS_MAX, 2 ** this.#vain) - monotonic;
    if (pauseMs <= 0) return false;
    this.#pauseMs = pauseMs;
    return true;
  }

  /** The time that `turn` named is over, whatever a clock says. */
  rested(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  #isFull(partitions: readonly QueuePartition[]): boolean {
    const { queueWindowRecordsMax, queueDelayedRecordsMax } = this.#parts.limits;
    this.#makeRoom(this.#parts.limits.queueWindowBytesMax);
    let waiting = 0;
    let delayed = 0;
    for (const partition of partitions) {
      waiting += partition.waiting;
      delayed += partition.delayed.size;
    }
    return waiting >= queueWindowRecordsMax || delayed >= queueDelayedRecordsMax;
  }

  #makeRoom(bytesMax: number): void {
    const partitions = this.#parts.partitions();
    let bytes = 0;
    for (const { blocks } of partitions) bytes += blocks.bytes;
    while (bytes > bytesMax) {
      const before = bytes;
      for (const { blocks } of partitions) {
        if (bytes <= bytesMax) break;
        bytes -= blocks.evict();
      }
      if (bytes === before) break;
    }
  }

  /** Index of the one with the fewest records, of some. */
  #choose(open: readonly QueueMember[]): number {
    const count = Math.min(open.length, CHOICES);
    if (count === 1) return 0;
    const first = this.#choice++ % open.length;
    let best = first;
    for (let i = 1; i < count; i++) {
      const other = (first + i) % open.length;
      if ((open[other] as QueueMember).held.size < (open[best] as QueueMember).held.size) best = other;
    }
    return best;
  }
}

function deliver(member: QueueMember): void {
  if (member.outbox.length === 0) return;
  const handed = member.outbox;
  member.outbox = [];
  member.listener.records(handed);
}
