/**
 * Lanes: the records of one key in one partition, in order, of which the first at most is out. A record without a key
 * has a lane to itself. What waits in a lane is an offset and no more, so that a slow key costs eight bytes a record.
 *
 *   waiting ──▶ out (with a member) ──ack──▶ done
 *                 ▲         └─nack, time-out, lost member──▶ away (until due) ──▶ ready ─┐   or, after the
 *                 └───────────────────────────────────────────────────────────────────────┘   last attempt, dying
 */
import type { QueueMember } from './queue-member.ts';
import type { QueuePartition } from './queue-partition.ts';

/** Offsets taken off the front before the array is cut. */
const TAKEN_MAX = 1_024;

export type HeldState = 'out' | 'away' | 'ready' | 'dying';

/** Why a record will not be tried again. */
export interface Death {
  readonly code: string;
  readonly message: string;
  readonly stack?: string;
}

/** A record that was handed out and is not done. */
export class Held {
  readonly lane: Lane;
  readonly offset: number;
  failures: number;
  state: HeldState = 'ready';
  /** Who has it, or had it last. */
  member: QueueMember | undefined;
  /** Of the monotonic clock, while it is out. */
  deadline = 0;
  /** Of the wall clock, while it is away. */
  due = 0;
  /** Set once it is to become a dead letter. */
  death: Death | undefined;
  before: Held | undefined;
  after: Held | undefined;

  constructor(lane: Lane, offset: number, failures: number) {
    this.lane = lane;
    this.offset = offset;
    this.failures = failures;
  }
}

export class Lane {
  readonly partition: QueuePartition;
  /** Undefined for a record without a key. */
  readonly key: string | undefined;
  held: Held | undefined;
  /** In a list of lanes that can hand something out. */
  queued = false;
  #offsets: number[];
  #taken = 0;

  constructor(partition: QueuePartition, key: string | undefined, first?: number) {
    this.partition = partition;
    this.key = key;
    this.#offsets = first === undefined ? [] : [first];
  }

  get waiting(): number {
    return this.#offsets.length - this.#taken;
  }

  push(offset: number): void {
    this.#offsets.push(offset);
  }

  /** The next offset. Only while something waits. */
  shift(): number {
    const offset = this.#offsets[this.#taken++] as number;
    if (this.#taken === this.#offsets.length) {
      this.#offsets = [];
      this.#taken = 0;
    } else if (this.#taken > TAKEN_MAX && this.#taken * 2 > this.#offsets.length) {
      this.#offsets = this.#offsets.slice(this.#taken);
      this.#taken = 0;
    }
    return offset;
  }
}

/** The records a member has, in the order of their deadlines: each joins at the end with the same time to go. */
export class HeldList {
  first: Held | undefined;
  #last: Held | undefined;
  size = 0;

  add(held: Held): void {
    held.before = this.#last;
    held.after = undefined;
    if (this.#last === undefined) this.first = held;
    else this.#last.after = held;
    this.#last = held;
    this.size++;
  }

  remove(held: Held): void {
    if (held.before === undefined) this.first = held.after;
    else held.before.after = held.after;
    if (held.after === undefined) this.#last = held.before;
    else held.after.before = held.before;
    held.before = undefined;
    held.after = undefined;
    this.size--;
  }
}

/** Lanes in turn; taking one off the front costs nothing. */
export class LaneList {
  #lanes: Lane[] = [];
  #taken = 0;

  get size(): number {
    return this.#lanes.length - this.#taken;
  }

  push(lane: Lane): void {
    if (lane.queued) return;
    lane.queued = true;
    this.#lanes.push(lane);
  }

  shift(): Lane | undefined {
    const lane = this.#lanes[this.#taken];
    if (lane === undefined) return undefined;
    lane.queued = false;
    this.#taken++;
    if (this.#taken > TAKEN_MAX && this.#taken * 2 > this.#lanes.length) {
      this.#lanes = this.#lanes.slice(this.#taken);
      this.#taken = 0;
    }
    return lane;
  }

  clear(): void {
    this.#lanes = [];
    this.#taken = 0;
  }
}
