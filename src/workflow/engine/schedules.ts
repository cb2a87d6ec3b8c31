/**
 * Workflows that are started by time or by events, as their documents say. When each is due is part of the engine's state, in
 * the same commit as the start, so a start is neither lost nor doubled. What was due while nobody ran is made up for once.
 */
import type { StateBlockBuilder } from '#log';
import type { Schedule } from '../definition/document.ts';
import { asciiOf } from './ascii.ts';
import { type Consumption, compileConsumption, type EventValue, type Keys, matchEvent, readEvent } from './filters.ts';
import { durationMs, type Templates } from './templates.ts';

/** The next time a cron expression names after `after`; undefined: never. */
export type NextCron = (cron: string, timezone: string | undefined, after: number) => number | undefined;

interface State {
  readonly version: number;
  /** Epoch milliseconds; null: not by time. */
  at: number | null;
  /** Of `after`: the run whose end is waited for. */
  running: string | null;
  /** Of `on: all`: what came so far. */
  had: number[];
  values: unknown[];
  keys: Keys;
}

interface Entry {
  readonly schedule: Schedule;
  readonly on: Consumption | undefined;
  readonly state: State;
}

/** A start that is due. */
export interface Due {
  readonly workflow: string;
  readonly version: number;
  readonly input: unknown;
}

const NO_PREFIX = new Uint8Array(0);

export class Schedules {
  readonly #nextCron: NextCron;
  readonly #stored = new Map<string, State>();
  readonly #entries = new Map<string, Entry>();
  #changed = new Set<string>();

  constructor(nextCron: NextCron) {
    this.#nextCron = nextCron;
  }

  load(name: string, text: string): void {
    this.#stored.set(name, JSON.parse(text) as State);
  }

  /** @param schedule undefined: it has none @throws what evaluating a duration throws */
  define(name: string, version: number, schedule: Schedule | undefined, templates: Templates, now: number): void {
    const stored = this.#entries.get(name)?.state ?? this.#stored.get(name);
    this.#stored.delete(name);
    if (schedule === undefined) {
      this.#entries.delete(name);
      if (stored !== undefined) this.#changed.add(name);
      return;
    }
    const on = schedule.on === undefined ? undefined : compileConsumption(schedule.on, templates);
    if (stored?.version === version) {
      this.#entries.set(name, { schedule, on, state: stored });
      return;
    }
    const state: State = { version, at: null, running: null, had: [], values: [], keys: {} };
    // `after` counts from the end of a run, and the first one has none before it.
    state.at = schedule.after === undefined ? this.#next(schedule, now, now) : now;
    this.#entries.set(name, { schedule, on, state });
    this.#changed.add(name);
  }

  undefine(name: string): void {
    if (this.#entries.delete(name) || this.#stored.delete(name)) this.#changed.add(name);
  }

  /** @param from the time before it: intervals do not drift */
  #next({ every, cron, timezone }: Schedule, from: number, now: number): number | null {
    if (cron !== undefined) return this.#nextCron(cron, timezone, now) ?? null;
    if (every === undefined) return null;
    const everyMs = Math.max(1, durationMs(every));
    const missed = Math.max(0, Math.floor((now - from) / everyMs));
    return from + (missed + 1) * everyMs;
  }

  get nextDue(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { state } of this.#entries.values()) if (state.at !== null && state.at < next) next = state.at;
    return next;
  }

  get hasChanges(): boolean {
    return this.#changed.size > 0;
  }

  /** What is due by time; each has its next time afterwards. */
  due(now: number): Due[] {
    const found: Due[] = [];
    for (const [workflow, { schedule, state }] of this.#entries) {
      if (state.at === null || state.at > now) continue;
      state.at = schedule.after === undefined ? this.#next(schedule, state.at, now) : null;
      this.#changed.add(workflow);
      found.push({ workflow, version: state.version, input: {} });
    }
    return found;
  }

  /** What is due by an event. */
  hear(event: EventValue): Due[] {
    const found: Due[] = [];
    for (const [workflow, { schedule, on, state }] of this.#entries) {
      if (on === undefined) continue;
      for (const [index, filter] of on.filters.entries()) {
        if (on.mode === 'all' && state.had.includes(index)) continue;
        const keys = matches(filter, event, on.mode === 'all' ? state.keys : {});
        if (keys === undefined) continue;
        const values = [...state.values, readEvent(event, schedule.read ?? 'data')];
        const had = [...state.had, index];
        const complete = on.mode !== 'all' || had.length === on.filters.length;
        Object.assign(state, complete ? { had: [], values: [], keys: {} } : { had, values, keys });
        if (on.mode === 'all') this.#changed.add(workflow);
        if (complete) found.push({ workflow, version: state.version, input: values });
        break;
      }
    }
    return found;
  }

  /** A scheduled run has begun. */
  began(workflow: string, id: string): void {
    const entry = this.#entries.get(workflow);
    if (entry?.schedule.after === undefined) return;
    entry.state.running = id;
    this.#changed.add(workflow);
  }

  ended(workflow: string, id: string, now: number): void {
    const entry = this.#entries.get(workflow);
    if (entry?.schedule.after === undefined || entry.state.running !== id) return;
    entry.state.running = null;
    entry.state.at = now + durationMs(entry.schedule.after);
    this.#changed.add(workflow);
  }

  write(block: StateBlockBuilder): void {
    for (const name of this.#changed) {
      const entry = this.#entries.get(name);
      block.key(NO_PREFIX, `s/${name}`);
      if (entry === undefined) block.remove();
      else block.latin1(asciiOf(JSON.stringify(entry.state)));
    }
    this.#changed = new Set();
  }
}

function matches(filter: Consumption['filters'][number], event: EventValue, keys: Keys): Keys | undefined {
  try {
    return matchEvent(filter, event, keys, () => ({}));
  } catch {
    return undefined;
  }
}
