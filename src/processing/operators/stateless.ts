/** The steps without state or time: map, keyBy, filter, flatMap, branch, peek, the look-up in a table, the output. */
import { SluiceError } from '#kernel';
import type { Flow } from '../flow.ts';
import type { Outputs, OutputTopic } from '../outputs.ts';
import type { TableView } from '../task.ts';
import { Operator, Outlet } from './operator.ts';

type Call<R> = (value: unknown, record: Flow) => R;

/** @throws VALUE_MALFORMED for a promise, which would be written as an empty object */
export function settled<T>(value: T): T {
  if (typeof value === 'object' && value instanceof Promise) {
    throw new SluiceError('VALUE_MALFORMED', 'functions of a stream are synchronous; use the raw form to wait');
  }
  return value;
}

abstract class Step extends Operator {
  readonly out = new Outlet();

  advance(time: number): boolean {
    return this.out.head.advance(time);
  }
}

export class MapStep extends Step {
  readonly #change: Call<unknown>;

  constructor(change: Call<unknown>) {
    super();
    this.#change = change;
  }

  push(flow: Flow): void {
    const change = this.#change;
    flow.value = settled(change(flow.value, flow));
    this.out.head.push(flow);
  }
}

export class KeyStep extends Step {
  readonly #key: Call<string | null>;

  constructor(key: Call<string | null>) {
    super();
    this.#key = key;
  }

  push(flow: Flow): void {
    const choose = this.#key;
    const key = choose(flow.value, flow);
    if (typeof key !== 'string' && key !== null) {
      throw new SluiceError('VALUE_MALFORMED', `a key must be text or null, not ${typeof key}`);
    }
    flow.key = key;
    this.out.head.push(flow);
  }
}

export class FilterStep extends Step {
  readonly #keep: Call<boolean>;

  constructor(keep: Call<boolean>) {
    super();
    this.#keep = keep;
  }

  push(flow: Flow): void {
    const keep = this.#keep;
    if (settled(keep(flow.value, flow))) this.out.head.push(flow);
  }
}

export class FlatMapStep extends Step {
  readonly #expand: Call<Iterable<unknown>>;

  constructor(expand: Call<Iterable<unknown>>) {
    super();
    this.#expand = expand;
  }

  push(flow: Flow): void {
    const expand = this.#expand;
    for (const value of settled(expand(flow.value, flow))) {
      const copy = flow.copy();
      copy.value = settled(value);
      this.out.head.push(copy);
    }
  }
}

export class PeekStep extends Step {
  readonly #look: Call<void>;

  constructor(look: Call<void>) {
    super();
    this.#look = look;
  }

  push(flow: Flow): void {
    const look = this.#look;
    look(flow.value, flow);
    this.out.head.push(flow);
  }
}

export class BranchStep extends Operator {
  readonly #wants: readonly Call<boolean>[];
  /** One for each predicate, and the rest. */
  readonly outs: readonly Outlet[];

  constructor(wants: readonly Call<boolean>[]) {
    super();
    this.#wants = wants;
    this.outs = Array.from({ length: wants.length + 1 }, () => new Outlet());
  }

  push(flow: Flow): void {
    const wants = this.#wants;
    let i = 0;
    for (; i < wants.length; i++) {
      const want = wants[i] as Call<boolean>;
      if (settled(want(flow.value, flow))) break;
    }
    (this.outs[i] as Outlet).head.push(flow);
  }

  advance(time: number): boolean {
    for (const out of this.outs) if (!out.head.advance(time)) return false;
    return true;
  }
}

export interface TableJoinCalls {
  readonly key: Call<string | null> | undefined;
  readonly join: (value: unknown, row: unknown, record: Flow) => unknown;
  readonly left: boolean;
}

export class TableJoinStep extends Step {
  readonly #rows: TableView;
  readonly #calls: TableJoinCalls;

  constructor(rows: TableView, calls: TableJoinCalls) {
    super();
    this.#rows = rows;
    this.#calls = calls;
  }

  push(flow: Flow): void {
    const { key: choose, join, left } = this.#calls;
    const { value } = flow;
    const key = choose === undefined ? flow.key : choose(value, flow);
    const row = key === null ? undefined : this.#rows.get(key);
    if (row === undefined && !left) return;
    flow.value = settled(join(value, row, flow));
    this.out.head.push(flow);
  }
}

export class OutputStep extends Operator {
  readonly #outputs: Outputs;
  readonly #topic: OutputTopic;

  constructor(outputs: Outputs, topic: OutputTopic) {
    super();
    this.#outputs = outputs;
    this.#topic = topic;
  }

  push(flow: Flow): void {
    this.#outputs.write(this.#topic, flow);
  }

  advance(): boolean {
    return true;
  }
}
