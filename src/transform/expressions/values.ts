/**
 * What JSONata's operators do to values, without promises: the rules for missing values, lists and types that
 * `closures.ts` needs. Each function is held against the library by property tests. A rule that is broken is an
 * ExpressionError with the library's code.
 */

export class ExpressionError extends Error {
  /** As the library has it: T2001 and so on. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const WHOLE: unique symbol = Symbol('whole');

/** A list that is the whole value is one thing to work on, not many: a list of one, marked. */
export function wrapped(list: readonly unknown[]): unknown[] {
  const input: unknown[] & { [WHOLE]?: true } = [list];
  input[WHOLE] = true;
  return input;
}

/** The input itself, out of its wrapping. */
export function unwrap(input: unknown): unknown {
  return Array.isArray(input) && WHOLE in input ? input[0] : input;
}

/** `a.b.c`, going through lists on the way and flattening what they yield. */
export function valueAt(input: unknown, names: readonly string[]): unknown {
  let value = input;
  for (let i = 0; i < names.length; i++) {
    if (Array.isArray(value)) return valueInList(value, names, i);
    value = ownField(value, names[i] as string);
    if (value === undefined) return undefined;
  }
  return value;
}

function valueInList(list: readonly unknown[], names: readonly string[], from: number): unknown {
  let items = list;
  for (let i = from; i < names.length; i++) {
    const found: unknown[] = [];
    for (const item of items) {
      const value = Array.isArray(item)
        ? single(gather(item, names[i] as string, []))
        : ownField(item, names[i] as string);
      if (value !== undefined) found.push(value);
    }
    if (i === names.length - 1 && found.length === 1) return found[0];
    items = found.flat();
    if (items.length === 0) return undefined;
  }
  return single(items);
}

/** A field of everything in a list, lists in it included. */
function gather(list: readonly unknown[], name: string, into: unknown[]): unknown[] {
  for (const item of list) {
    const value = Array.isArray(item) ? gather(item, name, []) : ownField(item, name);
    if (Array.isArray(value)) for (const inner of value) into.push(inner);
    else if (value !== undefined) into.push(value);
  }
  return into;
}

function single(items: readonly unknown[]): unknown {
  return items.length > 1 ? items : items[0];
}

function ownField(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function isNumber(value: unknown): value is number {
  if (typeof value !== 'number' || Number.isNaN(value)) return false;
  if (!Number.isFinite(value)) throw new ExpressionError('D1001', 'a number is out of range');
  return true;
}

/** JSONata's truth: undefined for what is missing. */
export function truth(value: unknown): boolean | undefined {
  if (typeof value === 'boolean' || value === undefined) return value;
  if (Array.isArray(value)) return value.length === 1 ? truth(value[0]) : value.some((element) => truth(element));
  if (typeof value === 'string') return value.length > 0;
  if (isNumber(value)) return value !== 0;
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0 && !isFunction(value);
}

/** The library's functions are objects with a mark. */
export function isFunction(value: object): boolean {
  return Object.hasOwn(value, '_jsonata_function') || Object.hasOwn(value, '_jsonata_lambda');
}

function negation(value: unknown): boolean | undefined {
  return value === undefined ? undefined : !truth(value);
}

/** JSONata's text of a value. */
export function text(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new ExpressionError('D3001', 'a number out of range has no text');
  }
  return JSON.stringify(value, (_name, inner: unknown) =>
    isNumber(inner) && !Number.isInteger(inner) ? Number(inner.toPrecision(15)) : inner,
  );
}

export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((element, i) => equal(element, b[i]));
  }
  const names = Object.getOwnPropertyNames(a);
  return (
    names.length === Object.getOwnPropertyNames(b).length &&
    names.every((name) => Object.hasOwn(b, name) && equal(Reflect.get(a, name), Reflect.get(b, name)))
  );
}

export type Order = '<' | '<=' | '>' | '>=';

export function compare(order: Order, a: unknown, b: unknown): boolean | undefined {
  if (!isComparable(a) || !isComparable(b)) {
    throw new ExpressionError('T2010', `${order} takes numbers and text only`);
  }
  if (a === undefined || b === undefined) return undefined;
  if (typeof a !== typeof b) throw new ExpressionError('T2009', `${order} takes two values of one type`);
  if (order === '<') return a < b;
  if (order === '<=') return a <= b;
  return order === '>' ? a > b : a >= b;
}

function isComparable(value: unknown): value is string | number | undefined {
  return value === undefined || typeof value === 'string' || typeof value === 'number';
}

export type Arithmetic = '+' | '-' | '*' | '/' | '%';

export function arithmetic(operator: Arithmetic, a: unknown, b: unknown): number | undefined {
  if (a !== undefined && !isNumber(a)) throw new ExpressionError('T2001', `left of ${operator} stands no number`);
  if (b !== undefined && !isNumber(b)) throw new ExpressionError('T2002', `right of ${operator} stands no number`);
  if (a === undefined || b === undefined) return undefined;
  if (operator === '+') return a + b;
  if (operator === '-') return a - b;
  if (operator === '*') return a * b;
  return operator === '/' ? a / b : a % b;
}

export function negative(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (!isNumber(value)) throw new ExpressionError('D1002', 'only a number can be negated');
  return -value;
}

export function included(value: unknown, list: unknown): boolean {
  if (value === undefined || list === undefined) return false;
  return Array.isArray(list) ? list.indexOf(value) !== -1 : list === value;
}

/** A list of what is there, lists in it taken apart. */
export function appended(list: readonly unknown[], value: unknown): unknown[] {
  return Array.isArray(value) ? [...list, ...value] : [...list, value];
}

/** An argument that must be text or missing. */
function textArgument(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw new ExpressionError('T0410', 'a function was given something other than text');
}

/** The functions that need no promise, by name and number of arguments. */
export const FUNCTIONS: Readonly<Record<string, (...values: unknown[]) => unknown>> = {
  'not/1': negation,
  'boolean/1': truth,
  'exists/1': (value) => value !== undefined,
  'string/1': text,
  'uppercase/1': (value) => textArgument(value)?.toUpperCase(),
  'lowercase/1': (value) => textArgument(value)?.toLowerCase(),
  'length/1': (value) => {
    const argument = textArgument(value);
    return argument === undefined ? undefined : Array.from(argument).length;
  },
  'trim/1': (value) =>
    textArgument(value)
      ?.replace(/[ \t\n\r]+/g, ' ')
      .replace(/^ | $/g, ''),
  'contains/2': (value, part) => {
    const [searched, sought] = [textArgument(value), textArgument(part)];
    return searched === undefined || sought === undefined ? undefined : searched.includes(sought);
  },
};
