/** Builds the steps that run an expression: filter and expression. At once where the expression can, else by promise. */
import type { Setter } from '../access.ts';
import { compileExpression, type SyncExpression } from '../expressions/expression.ts';
import { ExpressionError, truth } from '../expressions/values.ts';
import { NotData, plainCopy } from '../plain-copy.ts';
import { type Plan, reachOf, type Site, write } from '../plan.ts';
import type { TransformRecord } from '../record.ts';
import type { Transformation } from '../schema.ts';
import { specialise } from '../specialise.ts';
import { NO_LIST, type Step } from '../step.ts';

type Of<T extends Transformation['type']> = Extract<Transformation, { type: T }>;

const filtering =
  (evaluate: SyncExpression['evaluate'], test: typeof truth, failed: (error: unknown) => boolean): Step =>
  (record) => {
    try {
      const met = evaluate(record);
      return typeof met === 'boolean' ? met : test(met) === true;
    } catch (error) {
      return failed(error);
    }
  };

export function filter(settings: Of<'filter'>, { place, surroundings }: Site): Plan {
  const expression = compileExpression(settings.condition, surroundings.clock, surroundings.limits);
  const reach = { usesValue: expression.usesValue, writesWhole: false };
  const failed = (error: unknown): boolean => {
    if (!(error instanceof ExpressionError)) throw error;
    return settings.on_error === 'drop' ? false : place.fail('condition', error.message, error);
  };
  if (!expression.async) {
    return { async: false, ...reach, run: specialise(filtering)(expression.evaluate, truth, failed) };
  }
  return {
    async: true,
    ...reach,
    run: (record) => expression.evaluate(record).then((result) => truth(result) === true, failed),
  };
}

export function expression(settings: Of<'expression'>, { place, surroundings }: Site): Plan {
  const expression = compileExpression(settings.expression, surroundings.clock, surroundings.limits);
  const { path, set } = write(settings.target, place);
  const written = reachOf([path]);
  const reach = { ...written, usesValue: expression.usesValue || written.usesValue };
  const finish = finisher(settings, set, { place, surroundings });
  const failed = (record: TransformRecord, error: unknown): boolean => {
    if (!(error instanceof ExpressionError)) throw error;
    return finish.failed(record, error.message, error);
  };
  if (!expression.async) {
    const run: Step = (record) => {
      let result: unknown;
      try {
        result = expression.evaluate(record);
      } catch (error) {
        return failed(record, error);
      }
      return finish.done(record, result);
    };
    return { async: false, ...reach, run };
  }
  return {
    async: true,
    ...reach,
    run: (record) =>
      expression.evaluate(record).then(
        (result) => finish.done(record, result),
        (error) => failed(record, error),
      ),
  };
}

/** What is done with a result, and without one. */
function finisher(settings: Of<'expression'>, set: Setter, { place, surroundings }: Site) {
  const { recordBytesMax } = surroundings.limits;
  const missing = place.missing(settings.on_missing, settings.target, 'the expression has no result', [set]);
  const failed = (record: TransformRecord, what: string, cause: Error): boolean => {
    if (settings.on_error === 'fail') return place.fail('expression', what, cause);
    return settings.on_error === 'null' ? set(record, NO_LIST, 0, null) : settings.on_error === 'keep';
  };
  const done = (record: TransformRecord, result: unknown): boolean => {
    if (result === undefined) return missing(record, NO_LIST, 0);
    if (typeof result === 'boolean') return set(record, NO_LIST, 0, result);
    let copy: unknown;
    try {
      copy = plainCopy(result, recordBytesMax);
    } catch (error) {
      if (!(error instanceof NotData)) throw error;
      return failed(record, `the result is ${error.message}`, error);
    }
    return set(record, NO_LIST, 0, copy);
  };
  return { done, failed };
}
