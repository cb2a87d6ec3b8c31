/**
 * One step of a processor. Records are pushed through it; time is told to it whenever that of an input has moved on.
 * An operator that waits for time does what is due before it passes the news on, so whatever it gives comes downstream
 * before the time that caused it.
 */
import type { Flow } from '../flow.ts';

export abstract class Operator {
  abstract push(flow: Flow): void;

  /**
   * Event time upstream: no record below it is to be expected, apart from those that are out of order. False when the
   * run is full before all that was due is done: the same call, in the next run, goes on from there.
   */
  abstract advance(time: number): boolean;

  /** The run is kept: what is remembered for a rollback can go. */
  finish(): void {
    // Nothing, where there is no state.
  }

  /** The run is forgotten; time is told anew before the next record. */
  rollback(): void {
    // Nothing, where there is no state.
  }
}

/** Gathers updates until the end of a run. */
export interface Coalescing {
  /** Gives on what is owed, then the time. False as with `advance`. */
  flush(): boolean;
}

class Discard extends Operator {
  push(): void {
    // Nobody asked for it.
  }

  advance(): boolean {
    return true;
  }
}

const DISCARD = new Discard();

/** All but the last get copies, since those behind change what they are given. */
class Fanout extends Operator {
  readonly #first: readonly Operator[];
  readonly #last: Operator;

  constructor(targets: readonly Operator[]) {
    super();
    this.#first = targets.slice(0, -1);
    this.#last = targets.at(-1) as Operator;
  }

  push(flow: Flow): void {
    const first = this.#first;
    for (let i = 0; i < first.length; i++) (first[i] as Operator).push(flow.copy());
    this.#last.push(flow);
  }

  advance(time: number): boolean {
    for (const target of this.#first) if (!target.advance(time)) return false;
    return this.#last.advance(time);
  }
}

/** Where an operator's records go: `head`, once the graph is linked. */
export class Outlet {
  head: Operator = DISCARD;
  readonly targets: Operator[] = [];

  link(): void {
    if (this.targets.length === 1) this.head = this.targets[0] as Operator;
    if (this.targets.length > 1) this.head = new Fanout(this.targets);
  }
}
