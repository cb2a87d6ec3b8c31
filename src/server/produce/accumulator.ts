/**
 * Merges single records of many requests into batches: whatever arrives for a partition within one turn of the
 * event loop, or while its last batch is on its way to the disk, becomes the next batch. One append a batch, however many requests.
 *
 *   add ─▶ lane of the partition: records encoded into a builder ─▶ flush: one append ─▶ outcomes, in order
 */
import { asSluiceError, type Clock, type Limits, SluiceError } from '#kernel';
import type { Durability, Partition } from '#log';
import { BatchBuilder, type Header } from '#record';
import type { RecordOutcome, RecordSink } from './record-sink.ts';

const LANE_BYTES = 16 * 1024;
/** Room for the frame of one record and of its batch. */
const FRAME_BYTES = 192;
/** Batches of one partition on their way at once; more would only be smaller ones. */
const IN_FLIGHT_MAX = 2;

class Lane {
  readonly partition: Partition;
  readonly durability: Durability;
  readonly builder = new BatchBuilder(LANE_BYTES);
  outcomes: RecordOutcome[] = [];
  inFlight = 0;
  queued = false;

  constructor(partition: Partition, durability: Durability) {
    this.partition = partition;
    this.durability = durability;
  }
}

export class Accumulator implements RecordSink {
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #lanes: Record<Durability, Map<Partition, Lane>> = { fsync: new Map(), memory: new Map() };
  #due: Lane[] = [];
  #scheduled = false;

  constructor(limits: Limits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  add(
    partition: Partition,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly Header[],
    timestamp: number | undefined,
    durability: Durability,
    outcome: RecordOutcome,
  ): void {
    const bytes = (key?.length ?? 0) + (value?.length ?? 0) + FRAME_BYTES;
    if (headers.length === 0 && bytes - FRAME_BYTES > this.#limits.recordBytesMax) {
      const error = new SluiceError('RECORD_TOO_LARGE', `a record has at most ${this.#limits.recordBytesMax} bytes`);
      setImmediate(() => outcome.failed(error));
      return;
    }
    const lane = this.#lane(partition, durability);
    const full =
      lane.builder.bytes + bytes > this.#limits.batchBytesMax || lane.builder.count >= this.#limits.batchRecordsMax;
    if (full && lane.builder.count > 0) this.#flush(lane);
    lane.builder.add(key, value, headers, timestamp ?? this.#clock.now());
    lane.outcomes.push(outcome);
    if (!lane.queued) {
      lane.queued = true;
      this.#due.push(lane);
      this.#schedule();
    }
  }

  #lane(partition: Partition, durability: Durability): Lane {
    const lanes = this.#lanes[durability];
    let lane = lanes.get(partition);
    if (lane === undefined) {
      lane = new Lane(partition, durability);
      lanes.set(partition, lane);
    }
    return lane;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const due = this.#due;
      this.#due = [];
      for (const lane of due) {
        lane.queued = false;
        if (lane.inFlight < IN_FLIGHT_MAX && lane.builder.count > 0) this.#flush(lane);
      }
    });
  }

  #flush(lane: Lane): void {
    const { outcomes } = lane;
    lane.outcomes = [];
    lane.inFlight++;
    const batch = lane.builder.finish();
    lane.builder.reset();
    lane.partition.append(batch, { durability: lane.durability }).then(
      ({ baseOffset }) => {
        for (let i = 0; i < outcomes.length; i++) (outcomes[i] as RecordOutcome).appended(baseOffset + i);
        this.#landed(lane);
      },
      (thrown: unknown) => {
        const error = asSluiceError(thrown);
        for (const outcome of outcomes) outcome.failed(error);
        this.#landed(lane);
      },
    );
  }

  /** Sends on what gathered meanwhile; forgets an idle lane, so that deleted topics leave nothing behind. */
  #landed(lane: Lane): void {
    lane.inFlight--;
    if (lane.builder.count > 0) this.#flush(lane);
    else if (lane.inFlight === 0 && !lane.queued) this.#lanes[lane.durability].delete(lane.partition);
  }
}
