/**
 * The bus of events as the engine has it: how far it was heard, who listens, and the latest events, for those who begin to
 * listen a little late. What is heard is committed with what came of it. Used by `engine.ts`.
 */
import type { EventValue, Filter } from './filters.ts';
import { Listeners } from './listeners.ts';
import type { Instance } from './model.ts';
import type { Plan } from './plan.ts';
import type { Surroundings } from './run.ts';

export interface BusEvent {
  readonly offset: number;
  readonly event: EventValue;
}

export class Bus {
  readonly #behaviour: Surroundings['behaviour'];
  readonly #recentMax: number;
  readonly #listeners = new Listeners();
  #recent: BusEvent[] = [];
  /** The next event to be heard. */
  next = 0;
  /** Whether `next` has moved since the last commit. */
  moved = false;

  constructor(behaviour: Surroundings['behaviour'], recentMax: number) {
    this.#behaviour = behaviour;
    this.#recentMax = recentMax;
  }

  /** What came before the engine was loaded: remembered, not heard again. */
  remember(events: readonly BusEvent[]): void {
    this.#recent.push(...events);
    if (this.#recent.length > 2 * this.#recentMax) this.#recent = this.#recent.slice(-this.#recentMax);
  }

  recent(from: number): readonly BusEvent[] {
    const { length } = this.#recent;
    if (length === 0 || (this.#recent[length - 1] as BusEvent).offset < from) return [];
    return this.#recent.filter(({ offset }) => offset >= from);
  }

  /** Instances that the event may be for, which is heard now. */
  hear(one: BusEvent): Iterable<string> {
    this.next = one.offset + 1;
    this.moved = true;
    const candidates = this.#listeners.candidates(one.event);
    this.remember([one]);
    return candidates;
  }

  note(instance: Instance, plan: Plan): void {
    this.#listeners.note(instance, (task): readonly Filter[] => {
      const node = plan.nodes.get(task);
      return node === undefined ? [] : (this.#behaviour(node.kind).listensFor?.(node) ?? []);
    });
  }

  forget(id: string): void {
    this.#listeners.forget(id);
  }

  get listening(): number {
    return this.#listeners.size;
  }
}
