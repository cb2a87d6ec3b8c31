/**
 * The rules of a mapping, compiled: what must hold of a record as it is about to be written. Most look at the record alone;
 * `unique` and `reference` ask the target, for many records at once. Fields that a change does not say (they did not change) are
 * not looked at. Called on the target's thread.
 */
import type { Connection, Row, Value } from '#connector';
import { asSluiceError, type Limits, SluiceError } from '#kernel';
import { compileTransformations, lengthMax } from '#transform';
import { keyPart } from '../change-record.ts';
import type { Rule } from '../kinds/mapping-kind.ts';
import { coercion } from './coerce.ts';
import type { Folded } from './folded.ts';
import { rejection } from './incoming.ts';
import type { RejectedRecord } from './protocol.ts';

type Check = (row: Row, partial: boolean) => void | Promise<void>;
type Asking = Extract<Rule, { rule: 'unique' | 'reference' }>;

interface Looking {
  readonly connection: Connection;
  /** Of the target. */
  readonly stream: string;
  readonly keys: readonly string[];
}

export class Rules {
  readonly #checks: readonly Check[];
  readonly #asking: readonly Asking[];

  private constructor(checks: readonly Check[], asking: readonly Asking[]) {
    this.#checks = checks;
    this.#asking = asking;
  }

  /** Null where there are none. @throws TRANSFORM_INVALID */
  static compile(rules: readonly Rule[], limits: Limits): Rules | null {
    if (rules.length === 0) return null;
    const asking = rules.filter((one): one is Asking => one.rule === 'unique' || one.rule === 'reference');
    const checks = rules.flatMap((rule) => {
      const check = checkOf(rule, limits);
      return check === undefined ? [] : [check];
    });
    return new Rules(checks, asking);
  }

  /** @param partial fields that are missing have not changed @throws RECORD_REJECTED */
  check(row: Row, partial: boolean): void | Promise<void> {
    let pending: Promise<void> | undefined;
    for (const check of this.#checks) {
      if (pending !== undefined) pending = pending.then(() => check(row, partial));
      else pending = check(row, partial) ?? undefined;
    }
    return pending;
  }

  /** The records that also hold against what the target has; the others are told of. @throws ENDPOINT_UNSUPPORTED */
  async look(looking: Looking, group: readonly Folded[], rejected: RejectedRecord[]): Promise<readonly Folded[]> {
    let passed = group;
    for (const rule of this.#asking) {
      const asked = passed.filter(({ kind, row }) => kind !== 'delete' && (row[rule.field] ?? null) !== null);
      if (asked.length === 0) continue;
      const faults = await faultsOf(rule, looking, asked);
      if (faults.size === 0) continue;
      for (const [{ origin }, message] of faults) rejected.push(rejection(origin, 'RECORD_REJECTED', message));
      passed = passed.filter((one) => !faults.has(one));
    }
    return passed;
  }
}

async function faultsOf(rule: Asking, looking: Looking, asked: readonly Folded[]): Promise<Map<Folded, string>> {
  const { connection, keys } = looking;
  const [stream, field] = rule.rule === 'reference' ? [rule.stream, rule.key] : [looking.stream, rule.field];
  const values = new Map(asked.map(({ row }) => [keyPart(row[rule.field] as Value), row[rule.field] as Value]));
  if (connection.lookup === undefined) {
    throw new SluiceError('ENDPOINT_UNSUPPORTED', `rule ${rule.rule} needs a target that can look records up`);
  }
  const texts = [...values.keys()];
  const found = await connection.lookup(
    stream,
    [field],
    [...values.values()].map((value) => ({ [field]: value })),
  );
  const owners = new Map(texts.map((text, i) => [text, found[i] ?? null]));
  const faults = new Map<Folded, string>();
  const first = new Map<string, Folded>();
  for (const one of asked) {
    const text = keyPart(one.row[rule.field] as Value);
    const owner = owners.get(text) ?? null;
    if (rule.rule === 'reference') {
      if (owner === null) faults.set(one, `${rule.field}: ${stream} has no record with ${field} ${text}`);
      continue;
    }
    const other = first.get(text);
    if (other !== undefined || (owner !== null && !same(owner, one.row, keys))) {
      faults.set(one, `${rule.field}: another record has ${text}`);
    } else first.set(text, one);
  }
  return faults;
}

function same(a: Row, b: Row, keys: readonly string[]): boolean {
  return keys.every((name) => keyPart(a[name] ?? null) === keyPart(b[name] ?? null));
}

function checkOf(rule: Rule, limits: Limits): Check | undefined {
  switch (rule.rule) {
    case 'required':
      return (row, partial) => {
        const value = row[rule.field];
        if (value === undefined ? !partial : value === null) throw broken(rule.field, 'is required');
      };
    case 'type': {
      const turn = coercion(rule.field, rule.type);
      return (row) => {
        const value = row[rule.field];
        if (value !== undefined) turn(value);
      };
    }
    case 'range':
      return rangeOf(rule);
    case 'pattern':
      return patternOf(rule, limits);
    case 'expression':
      return expressionOf(rule.expression, limits);
    default:
      return undefined;
  }
}

function rangeOf({ field, min, max }: Extract<Rule, { rule: 'range' }>): Check {
  return (row) => {
    const value = row[field];
    if (value === undefined || value === null) return;
    if (min !== undefined && !(compare(value, min) >= 0)) throw broken(field, `${keyPart(value)} is below ${min}`);
    if (max !== undefined && !(compare(value, max) <= 0)) throw broken(field, `${keyPart(value)} is above ${max}`);
  };
}

/** Numbers by what they are worth, texts such as dates by their characters; NaN where that cannot be. */
function compare(value: Value, bound: number | string): number {
  if (typeof bound === 'number') {
    if (typeof value === 'bigint') return value < bound ? -1 : value > bound ? 1 : 0;
    if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) return Number.NaN;
    return Number(value) - bound;
  }
  if (typeof value !== 'string') return Number.NaN;
  return value < bound ? -1 : value > bound ? 1 : 0;
}

function patternOf({ field, pattern }: Extract<Rule, { rule: 'pattern' }>, limits: Limits): Check {
  const regexp = new RegExp(pattern);
  const longest = lengthMax(pattern, '', limits);
  return (row) => {
    const value = row[field];
    if (value === undefined || value === null) return;
    const text = typeof value === 'string' ? value : keyPart(value);
    if (text.length > longest) throw broken(field, `is too long for the pattern ${pattern}`);
    if (!regexp.test(text)) throw broken(field, `does not fit the pattern ${pattern}`);
  };
}

function expressionOf(condition: string, limits: Limits): Check {
  const transform = compileTransformations([{ type: 'filter', condition }], { limits });
  const told = (kept: unknown) => {
    if (kept === undefined) throw new SluiceError('RECORD_REJECTED', `it does not meet: ${condition}`);
  };
  const failed = (error: unknown): never => {
    const { code, message } = asSluiceError(error);
    if (code === 'TRANSFORM_FAILED') throw new SluiceError('RECORD_REJECTED', message);
    throw error;
  };
  return (row) => {
    const record = { key: null, value: plain(row), headers: {}, timestamp: 0 };
    if (transform.async) return transform.apply(record).then(told, failed);
    try {
      told(transform.apply(record));
    } catch (error) {
      failed(error);
    }
    return undefined;
  };
}

function plain(row: Row): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
  );
}

function broken(field: string, message: string): SluiceError {
  return new SluiceError('RECORD_REJECTED', `${field}: ${message}`, { field });
}
