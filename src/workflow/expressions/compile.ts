/**
 * Expressions of workflow documents: jq, and JSONata as the second language. Compiled once, then evaluated at once: jq by
 * closures (`jq/`), what those leave out and JSONata by the libraries on a thread of their own (`library.ts`), for which the
 * caller's thread stands still as long as the limit says at most. Called by the engine when it makes a plan, and by the
 * validation. Only text of a document is ever compiled; data in it is data.
 */
import { type Clock, DEFAULT_LIMITS, type Limits, systemClock } from '#kernel';
import type { ExpressionLanguage } from '../definition/document.ts';
import { ExpressionError } from './error.ts';
import { Unsupported } from './jq/code.ts';
import { type Evaluate, JqRefusedError, programOf } from './jq/program.ts';
import { JqBudgetError, JqError } from './jq/run.ts';
import { JqSyntaxError } from './jq/syntax.ts';
import { checkJsonata } from './jsonata.ts';
import { library } from './library.ts';

/** By name, without `$`. */
export type Variables = Readonly<Record<string, unknown>>;

export interface CompiledExpression {
  /** Variables that it is given from outside, as far as the language lets them be known. */
  readonly variables: readonly string[];
  /**
   * The value; null where jq gives none, the list of them where it gives several. What it was given stays as it was, and
   * may be part of the result.
   * @throws ExpressionError
   */
  evaluate(input: unknown, variables: Variables): unknown;
}

export interface ExpressionOptions {
  readonly limits?: Limits;
  readonly clock?: Clock;
}

/** @throws ExpressionError */
export function compileExpression(
  text: string,
  language: ExpressionLanguage,
  { limits = DEFAULT_LIMITS, clock = systemClock }: ExpressionOptions = {},
): CompiledExpression {
  if (text.length > limits.workflowExpressionLengthMax) {
    throw new ExpressionError(`an expression has at most ${limits.workflowExpressionLengthMax} characters`);
  }
  if (language === 'jsonata') {
    checkJsonata(text);
    return {
      variables: [],
      evaluate: (input, variables) => library.evaluate({ language, text, input, variables }, limits),
    };
  }
  return compileJq(text, limits, clock);
}

function compileJq(text: string, limits: Limits, clock: Clock): CompiledExpression {
  const program = parsed(text);
  const { variables: names } = program;
  const byLibrary = (input: unknown, given: Variables) => {
    const missing = names.find((name) => !Object.hasOwn(given, name));
    if (missing !== undefined) throw new ExpressionError(`$${missing} is not defined here`);
    const variables = Object.fromEntries(names.map((name) => [name, given[name] ?? null]));
    return library.evaluate({ language: 'jq', text, input, variables }, limits);
  };
  const { evaluate } = program;
  if (evaluate === undefined) {
    library.start();
    return { variables: names, evaluate: byLibrary };
  }
  return { variables: names, evaluate: closure(evaluate, byLibrary, limits, clock) };
}

function parsed(text: string): ReturnType<typeof programOf> {
  try {
    return programOf(text);
  } catch (error) {
    const known = error instanceof JqSyntaxError || error instanceof JqRefusedError;
    throw known || error instanceof RangeError ? new ExpressionError(error.message) : error;
  }
}

function closure(
  evaluate: Evaluate,
  byLibrary: CompiledExpression['evaluate'],
  limits: Limits,
  clock: Clock,
): CompiledExpression['evaluate'] {
  const steps = limits.workflowExpressionStepsMax;
  return (input, variables) => {
    try {
      return evaluate(input, variables, steps, clock.now());
    } catch (error) {
      if (error instanceof Unsupported) return byLibrary(input, variables);
      if (error instanceof JqError || error instanceof JqBudgetError) throw new ExpressionError(error.message);
      throw error;
    }
  };
}
