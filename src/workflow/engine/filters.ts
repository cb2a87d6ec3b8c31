/**
 * Which events something waits for, made ready: by one task that listens, or by a workflow that is started by events. An
 * attribute may be text that must be equal or a condition; what correlates events is read off each of them. Called by
 * `tasks/listen.ts` and `schedules.ts`.
 */
import { isDeepStrictEqual } from 'node:util';
import type { EventConsumption, EventFilter } from '../definition/parts.ts';
import type { Template, Templates, Variables } from './templates.ts';

/** A CloudEvent, its attributes and `data`. */
export type EventValue = Readonly<Record<string, unknown>>;

export interface Correlation {
  readonly name: string;
  /** As it is written; equal text reads equal things. */
  readonly text: string;
  readonly from: Template;
  readonly expect: Template | undefined;
}

export interface Filter {
  /** Undefined: of any. */
  readonly type: string | undefined;
  readonly attributes: readonly (readonly [name: string, wanted: Template])[];
  readonly correlations: readonly Correlation[];
}

export type Mode = 'one' | 'any' | 'all';

export interface Consumption {
  readonly mode: Mode;
  readonly filters: readonly Filter[];
  /** Of `any`: over what was consumed. */
  readonly until: Template | undefined;
  readonly untilEvents: Consumption | undefined;
}

export type Read = 'data' | 'envelope' | 'raw';

export function compileConsumption(given: EventConsumption, templates: Templates): Consumption {
  const mode: Mode = given.all !== undefined ? 'all' : given.any !== undefined ? 'any' : 'one';
  const filters = given.all ?? given.any ?? (given.one === undefined ? [] : [given.one]);
  const { until } = given;
  return {
    mode,
    // `any` of nothing takes every event.
    filters: filters.length === 0 ? [EVERY] : filters.map((filter) => compileFilter(filter, templates)),
    until: typeof until === 'string' ? templates.expression(until) : undefined,
    untilEvents: typeof until === 'object' ? compileConsumption(until, templates) : undefined,
  };
}

const EVERY: Filter = { type: undefined, attributes: [], correlations: [] };

function compileFilter({ with: wanted, correlate = {} }: EventFilter, templates: Templates): Filter {
  const attributes = Object.entries(wanted).map(([name, value]) => [name, templates.value(value)] as const);
  const type = attributes.find(([name, template]) => name === 'type' && template.constant)?.[1];
  return {
    type: type === undefined ? undefined : String(type.evaluate(null, () => ({}))),
    attributes,
    correlations: Object.entries(correlate).map(([name, { from, expect }]) => ({
      name,
      text: from,
      from: templates.expression(from),
      expect: expect === undefined ? undefined : templates.value(expect),
    })),
  };
}

/** What correlates events so far, by name. */
export type Keys = Readonly<Record<string, unknown>>;

/** The keys afterwards where the event is one, else undefined. */
export function matchEvent(
  filter: Filter,
  event: EventValue,
  keys: Keys,
  variables: () => Variables,
): Keys | undefined {
  for (const [name, wanted] of filter.attributes) {
    const found = wanted.evaluate(event[name] ?? null, variables);
    if (wanted.constant || typeof found !== 'boolean') {
      if (!isDeepStrictEqual(found, event[name])) return undefined;
    } else if (!found) return undefined;
  }
  let after = keys;
  for (const { name, from } of filter.correlations) {
    const found = readOff(from, event, variables);
    if (found === null) return undefined;
    if (!Object.hasOwn(after, name)) after = { ...after, [name]: found };
    else if (!isDeepStrictEqual(after[name], found)) return undefined;
  }
  return after;
}

/** Off the event, else off its data. */
export function readOff(from: Template, event: EventValue, variables: () => Variables): unknown {
  const found = from.evaluate(event, variables);
  return found ?? from.evaluate(event['data'] ?? null, variables);
}

export function readEvent(event: EventValue, read: Read): unknown {
  return read === 'data' ? (event['data'] ?? null) : event;
}
