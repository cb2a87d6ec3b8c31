/**
 * Where a job has come to, as it is kept in the log: what its source has read, what its target has done, and whether it may go
 * on. Each is written in one commit with what it tells of, so that none is ever ahead or behind.
 */
import type { Json } from '#connector';
import { decodeUtf8, encodeUtf8 } from '#kernel';
import type { Log, StateChange } from '#log';
import type { ReadKind, StreamState } from '../worker/protocol.ts';
import { SPACE } from './parts.ts';
import type { Reason } from './patience.ts';

/** With each page that is appended. */
export interface SourcePlace {
  /** What it is a place in; of another source it is worth nothing. */
  readonly print: string;
  readonly kind: ReadKind;
  readonly run: number;
  /** Whether the run is under way. */
  readonly open: boolean;
  /** The source has been read to its end. */
  readonly done: boolean;
  /** The run reads everything, whatever the mode of its streams, so that the target can be swept. */
  readonly whole: boolean;
  readonly cause: RunCause;
  readonly startedAt: number;
  readonly records: number;
  readonly bytes: number;
  /** Too large for the log. */
  readonly lost: number;
  readonly swept: number;
  /** Of each partition of the topic, where the run began. */
  readonly from: readonly number[];
  /** What the target had done when the run began. */
  readonly before: TargetPlace;
  /** Of this run. */
  readonly streams: Readonly<Record<string, StreamState>>;
  /** Where reads by a cursor go on in the next run. */
  readonly cursors: Readonly<Record<string, StreamState>>;
  /** Of changes. */
  readonly state: Json;
}

export type RunCause = 'start' | 'request' | 'schedule' | 'event' | 'poll';

/** Totals of all runs, with each batch that is written. */
export interface TargetPlace {
  readonly records: number;
  readonly written: number;
  readonly deleted: number;
  readonly rejected: number;
  readonly ignoredFields: number;
}

export interface ControlPlace {
  readonly paused: boolean;
  /** Why it does not go on until it is resumed. */
  readonly stopped: Reason | null;
  /** When its schedule was last heeded, epoch ms. */
  readonly scheduledAt: number;
  /** What had been done when it was resumed. */
  readonly since: TargetPlace;
}

const NOTHING_DONE: TargetPlace = { records: 0, written: 0, deleted: 0, rejected: 0, ignoredFields: 0 };
const FREE: ControlPlace = { paused: false, stopped: null, scheduledAt: 0, since: NOTHING_DONE };

type Part = 'source' | 'target' | 'control';

export class Places {
  readonly #log: Log;
  readonly #job: string;

  constructor(log: Log, job: string) {
    this.#log = log;
    this.#job = job;
  }

  source(): SourcePlace | undefined {
    return this.#read<SourcePlace>('source');
  }

  target(): TargetPlace {
    return this.#read<TargetPlace>('target') ?? NOTHING_DONE;
  }

  control(): ControlPlace {
    return this.#read<ControlPlace>('control') ?? FREE;
  }

  sourceChange(place: SourcePlace | null): StateChange {
    return this.#change('source', place);
  }

  targetChange(place: TargetPlace | null): StateChange {
    return this.#change('target', place);
  }

  controlChange(place: ControlPlace | null): StateChange {
    return this.#change('control', place);
  }

  #key(part: Part): string {
    return `${this.#job}/${part}`;
  }

  #read<Place>(part: Part): Place | undefined {
    const value = this.#log.getState(SPACE, this.#key(part));
    return value === undefined ? undefined : (JSON.parse(decodeUtf8(value)) as Place);
  }

  #change(part: Part, place: unknown): StateChange {
    return { space: SPACE, key: this.#key(part), value: place === null ? null : encodeUtf8(JSON.stringify(place)) };
  }
}
