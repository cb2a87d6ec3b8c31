/**
 * The settings that declarations are made of, and the checks between two of them. Everything that can be checked
 * without records is: paths, patterns, zones, expressions. Called by `schema.ts`.
 */
import { z } from 'zod';
import { faultOfSource, faultOfTarget } from './dates/format.ts';
import { zoneOf } from './dates/zone.ts';
import { EXPRESSION_LENGTH_MAX, faultOfExpression } from './expressions/expression.ts';
import { EACH, hasEach, mismatchOf, PATH_LENGTH_MAX, type Path, parsePath } from './path.ts';
import { faultOfPattern } from './patterns/pattern.ts';

const TEXT_MAX = 1_000;
const FIELDS_MAX = 100;

/** A text that `fault` finds nothing wrong with. */
function checked(lengthMax: number, fault: (text: string) => string | undefined) {
  return z
    .string()
    .min(1)
    .max(lengthMax)
    .superRefine((text, context) => {
      const message = fault(text);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    });
}

function pathWithout(fault: (path: Path) => string | undefined) {
  return checked(PATH_LENGTH_MAX, (text) => {
    const parsed = parsePath(text);
    return typeof parsed === 'string' ? parsed : fault(parsed);
  });
}

export const path = pathWithout(() => undefined);

export const droppablePath = pathWithout(({ root, segments, text }) => {
  if (root === 'timestamp') return 'a record always has a timestamp';
  if (root === 'value' && segments.length === 0) return 'the value as a whole cannot be dropped; filter drops records';
  return segments.at(-1) === EACH ? `"${text}" names elements; drop the list instead` : undefined;
});

export const keepablePath = pathWithout(({ root, segments, text }) => {
  const plain = root === 'value' && segments.length > 0 && !segments.some((segment) => typeof segment === 'number');
  return plain ? undefined : `"${text}" is not a field of the value by names and []`;
});

export const singlePath = pathWithout((one) =>
  hasEach(one) ? `"${one.text}" has many values; name one place` : undefined,
);

export const rowPath = pathWithout((row) =>
  row.root === 'value' && !hasEach(row) ? undefined : `"${row.text}" is not one place in a row`,
);

export const text = z.string().max(TEXT_MAX);
export const filledText = z.string().min(1).max(TEXT_MAX);
export const pattern = checked(TEXT_MAX, faultOfPattern);
export const dateSource = checked(TEXT_MAX, faultOfSource);
export const dateTarget = checked(TEXT_MAX, faultOfTarget);
export const expression = checked(EXPRESSION_LENGTH_MAX, faultOfExpression);
export const zone = checked(TEXT_MAX, (name) =>
  zoneOf(name) === undefined ? `there is no time zone "${name}"` : undefined,
).default('UTC');

export const field = path.describe('Where the value is read');
export const target = path.optional().describe('Where the result is written, if not to `field`');
export const destination = path.describe('Where the result is written');
const policy = z.enum(['fail', 'null', 'keep', 'drop']).default('fail');
export const onError = policy.describe('For a value that does not fit: fail, null, keep the target, drop the record');
export const onMissing = policy.describe('Without a result: fail, null, keep the target, drop the record');

export function listOf<T extends z.ZodType>(element: T) {
  return z.array(element).min(1).max(FIELDS_MAX);
}

/** A declaration by its type, with what it does in words. */
export function declare<T extends string, S extends z.ZodRawShape>(type: T, shape: S) {
  return z.strictObject({ type: z.literal(type), ...shape });
}

/** Values of a declaration that are paths; `undefined` where a setting is left out. */
type Paths = readonly (string | undefined)[];

/**
 * What is wrong when these paths are used together, the last one being written: those that go through lists must go
 * through the same one, and what is written must, if anything that is read does.
 */
function faultOfPaths(texts: Paths): string | undefined {
  const paths = texts
    .filter((one) => one !== undefined)
    .map(parsePath)
    .filter((one) => typeof one !== 'string');
  const mismatch = mismatchOf(paths);
  const many = paths.find(hasEach);
  const last = paths.at(-1);
  if (mismatch !== undefined || many === undefined || last === undefined || hasEach(last)) return mismatch;
  return `"${many.text}" has many values and "${last.text}" is one place`;
}

/** For `superRefine`: the paths that `of` picks fit together. */
export function together<V>(of: (value: V) => Paths) {
  return (value: V, context: z.RefinementCtx): void => {
    const message = faultOfPaths(of(value));
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  };
}

/** For `superRefine`: exactly one of two settings is there. */
export function eitherOf<K extends string>(first: K, second: K) {
  return (value: { readonly [setting in K]?: unknown }, context: z.RefinementCtx): void => {
    if ((value[first] === undefined) === (value[second] === undefined)) {
      context.addIssue({ code: 'custom', message: `needs ${first} or ${second}, one of them` });
    }
  };
}
