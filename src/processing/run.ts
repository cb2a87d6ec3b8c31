/**
 * What everything in an instance shares during a run: the time, the outputs, the state, whom to blame for a failure,
 * and whether the run has become as large as it may.
 */
import type { Limits } from '#kernel';
import { Outputs } from './outputs.ts';
import { KeyedState } from './state/keyed-state.ts';

export class Run {
  readonly outputs: Outputs;
  readonly state: KeyedState;
  readonly partition: number;
  readonly #bytesMax: number;
  now = 0;
  /** The record being worked on; -1 where no one record is. */
  input = -1;
  offset = -1;
  #at: (input: number, offset: number) => void = () => undefined;

  constructor(limits: Limits, partition: number) {
    this.outputs = new Outputs(limits);
    this.state = new KeyedState(limits);
    this.partition = partition;
    this.#bytesMax = limits.processorRunBytesMax;
  }

  begin(now: number, at: (input: number, offset: number) => void): void {
    this.now = now;
    this.#at = at;
    this.input = -1;
    this.offset = -1;
  }

  /** From here on this record is being worked on. */
  blame(input: number, offset: number): void {
    this.input = input;
    this.offset = offset;
    this.#at(input, offset);
  }

  /** What comes now is no one record's doing. */
  blameNone(): void {
    if (this.offset !== -1 || this.input !== -1) this.blame(-1, -1);
  }

  /** No more should be begun in this run. */
  get full(): boolean {
    return this.outputs.bytes + this.state.touchedBytes >= this.#bytesMax;
  }
}
