/** Runs declarations on values, the short way, for the tests of transformations. */
import { compileTransformations, type TransformContext, type TransformRecord } from '#transform';

export function record(value: unknown, other: Partial<TransformRecord> = {}): TransformRecord {
  return { key: 'k', value, headers: {}, timestamp: 1_700_000_000_000, ...other };
}

/** The whole record after a list that answers at once; undefined where it was dropped. */
export function run(list: unknown, input: TransformRecord, context?: TransformContext): TransformRecord | undefined {
  const compiled = compileTransformations(list, context);
  if (compiled.async) throw new Error('this list answers by promise');
  return compiled.apply(input);
}

/** The value after one transformation. */
export function transform(one: Record<string, unknown>, value: unknown, context?: TransformContext): unknown {
  return run([one], record(value), context)?.value;
}

/** The value of `a` after one transformation of it. */
export function field(one: Record<string, unknown>, a: unknown): unknown {
  return (transform({ field: 'a', ...one }, { a }) as { a?: unknown } | undefined)?.a;
}
