/**
 * One compiled transformation, and what becomes of a record it cannot be applied to.
 *
 * A conversion answers `REFUSED` for a value it does not take; what happens then is the declaration's `on_error`
 * (`on_missing` for lookups and expressions): `fail`, `null` into the target, `keep` the target as it is, or `drop`
 * the record.
 */
import { SluiceError } from '#kernel';
import type { Getter, Setter } from './access.ts';
import type { TransformRecord } from './record.ts';
import { specialise } from './specialise.ts';

/**
 * True: go on. False: the record is dropped. The list and the index are those of the element at hand where a path goes
 * through a list, otherwise `NO_LIST` and 0.
 */
export type Step = (record: TransformRecord, list: unknown[], index: number) => boolean;
export type AsyncStep = (record: TransformRecord, list: unknown[], index: number) => Promise<boolean>;

export const NO_LIST: unknown[] = [];

/** Answered by a conversion for a value it does not take. */
export const REFUSED: unique symbol = Symbol('refused');

export type Convert = (value: unknown) => unknown;

export interface Conversion {
  readonly convert: Convert;
  /** What it takes, as the end of "… is not". */
  readonly takes: string;
}

export type Policy = 'fail' | 'null' | 'keep' | 'drop';

/** What became of a value that is refused: as for a step. */
export type Refuse = (record: TransformRecord, list: unknown[], index: number, value: unknown) => boolean;

const SHOWN_CHARACTERS = 60;

/** Where a step stands in its list, for what it reports. */
export class Place {
  readonly index: number;
  readonly type: string;

  constructor(index: number, type: string) {
    this.index = index;
    this.type = type;
  }

  /** @throws TRANSFORM_FAILED with `index`, `type` and `field` */
  fail(field: string, what: string, cause?: unknown): never {
    const message = `transformation ${this.index} (${this.type}): ${field}: ${what}`;
    throw new SluiceError('TRANSFORM_FAILED', message, { index: this.index, type: this.type, field }, cause);
  }

  /** For a setter: what a value cannot be written into. */
  blocked(field: string): (holder: unknown) => never {
    return (holder) => this.fail(field, `cannot be written, since ${show(holder)} is in the way`);
  }

  /** What is done where there is no result. */
  missing(policy: Policy, field: string, what: string, sets: readonly Setter[]): Step {
    if (policy === 'null') {
      return (record, list, index) => {
        for (const set of sets) set(record, list, index, null);
        return true;
      };
    }
    if (policy === 'keep') return () => true;
    return policy === 'drop' ? () => false : () => this.fail(field, what);
  }

  /** What is done with a refused value: the policy, made into a closure. */
  refusal(policy: Policy, field: string, takes: string, set: Setter): Refuse {
    if (policy === 'null') return (record, list, index) => set(record, list, index, null);
    if (policy === 'keep') return () => true;
    if (policy === 'drop') return () => false;
    return (_record, _list, _index, value) => this.fail(field, `${show(value)} is not ${takes}`);
  }
}

/** A value for people, cut short. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, SHOWN_CHARACTERS + 1)) : String(value);
  return text.length > SHOWN_CHARACTERS + 2 ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

/** Reads, converts, writes. What is missing or null stays so. */
const convertingStep =
  (get: Getter, set: Setter, convert: Convert, refuse: Refuse, refused: symbol): Step =>
  (record, list, index) => {
    const value = get(record, list, index);
    if (value === undefined || value === null) return true;
    const converted = convert(value);
    return converted === refused ? refuse(record, list, index, value) : set(record, list, index, converted);
  };

export function conversionStep(get: Getter, set: Setter, conversion: Conversion, refuse: Refuse): Step {
  return specialise(convertingStep)(get, set, conversion.convert, refuse, REFUSED);
}

const eachStep =
  (listGetter: Getter, inner: Step): Step =>
  (record, list, index) => {
    const elements = listGetter(record, list, index);
    if (!Array.isArray(elements)) return true;
    for (let i = 0; i < elements.length; i++) if (!inner(record, elements, i)) return false;
    return true;
  };

/** Runs a step for each element of a list. */
export function forEach(listGetter: Getter, inner: Step): Step {
  return specialise(eachStep)(listGetter, inner);
}

export const always: Step = () => true;

const afterStep =
  (first: Step, second: Step): Step =>
  (record, list, index) =>
    first(record, list, index) && second(record, list, index);

/** The second step, if the first lets the record pass. */
export function after(first: Step, second: Step): Step {
  return second === always ? first : specialise(afterStep)(first, second);
}

export function isDeletion(record: TransformRecord): boolean {
  return record.value === null || record.value === undefined;
}
