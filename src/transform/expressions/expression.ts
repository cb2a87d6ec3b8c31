/**
 * JSONata expressions: parsed and checked once, then run as closures (at once) where `closures.ts` covers them, else
 * by the library (with a promise), within the limits on time, depth and size.
 *
 * An expression sees the value of the record as its input, and `$key`, `$headers` and `$timestamp`. `$now()` and
 * `$millis()` follow the clock of the context. `$eval` is refused: text in a record must not become an expression.
 */
import { createRequire } from 'node:module';
import type jsonata from 'jsonata';
import { type Clock, DEFAULT_LIMITS, type Limits } from '#kernel';
import { faultOf, lengthMax } from '../patterns/pattern.ts';
import type { TransformRecord } from '../record.ts';
import { specialise } from '../specialise.ts';
import { closureOf, type Evaluate, type Node } from './closures.ts';
import { ExpressionError, wrapped } from './values.ts';

const require = createRequire(import.meta.url);
/** Loaded with the first expression. */
const library = () => require('jsonata') as typeof jsonata;
export const EXPRESSION_LENGTH_MAX = 10_000;

interface Compiled {
  /** False where only key, headers and timestamp are looked at. */
  readonly usesValue: boolean;
}

export interface SyncExpression extends Compiled {
  readonly async: false;
  /** @throws ExpressionError */
  evaluate(record: TransformRecord): unknown;
}

export interface AsyncExpression extends Compiled {
  readonly async: true;
  /** Rejects with an ExpressionError. */
  evaluate(record: TransformRecord): Promise<unknown>;
}

export type Expression = SyncExpression | AsyncExpression;

/** What is wrong with an expression, as a sentence. */
export function faultOfExpression(source: string): string | undefined {
  try {
    const { usesEval, patterns } = survey(parse(source, DEFAULT_LIMITS).ast());
    if (usesEval) return '$eval is not available';
    return patterns.map((pattern) => faultOf(pattern.source, pattern.flags, DEFAULT_LIMITS)).find(Boolean);
  } catch (error) {
    return toExpressionError(error).message;
  }
}

const evaluating =
  (evaluate: Evaluate, wrap: typeof wrapped): SyncExpression['evaluate'] =>
  (record) => {
    const { value } = record;
    return evaluate(record, Array.isArray(value) ? wrap(value) : value);
  };

/** An expression that has been checked. */
export function compileExpression(source: string, clock: Clock, limits: Limits): Expression {
  const parsed = parse(source, limits);
  const closure = closureOf(parsed.ast() as unknown as Node);
  if (closure !== undefined) {
    const { evaluate, usesValue } = closure;
    return { async: false, usesValue, evaluate: specialise(evaluating)(evaluate, wrapped) };
  }
  bindFunctions(parsed, clock, limits);
  return { async: true, usesValue: true, evaluate: (record) => evaluateByLibrary(parsed, record) };
}

function parse(source: string, limits: Limits): jsonata.Expression {
  return library()(source, {
    timeout: limits.expressionMs,
    stack: limits.expressionDepthMax,
    sequence: limits.expressionItemsMax,
    RegexEngine: boundedEngine(limits) as unknown as RegExpConstructor,
  });
}

async function evaluateByLibrary(parsed: jsonata.Expression, record: TransformRecord): Promise<unknown> {
  const { key, headers, timestamp } = record;
  try {
    return await parsed.evaluate(record.value, { key, headers, timestamp });
  } catch (error) {
    throw toExpressionError(error);
  }
}

/** The library throws plain objects with `code` and `message`. */
function toExpressionError(error: unknown): ExpressionError {
  if (error instanceof ExpressionError) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  return new ExpressionError(String(code ?? ''), String(message ?? error));
}

/** Regular expressions that refuse texts too long for them. The library makes a new one each time it meets a literal. */
function boundedEngine(limits: Limits): new (pattern: RegExp) => RegExp {
  const bounds = new Map<string, number>();
  return class extends RegExp {
    override exec(text: string): RegExpExecArray | null {
      const name = String(this);
      let bound = bounds.get(name);
      if (bound === undefined) {
        bound = lengthMax(this.source, this.flags, limits);
        bounds.set(name, bound);
      }
      if (text.length > bound) {
        throw new ExpressionError('', `${name} may be applied to text of at most ${bound} characters`);
      }
      return super.exec(text);
    }
  };
}

function bindFunctions(expression: jsonata.Expression, clock: Clock, limits: Limits): void {
  const fromMillis = library()('$fromMillis($ms, $picture, $zone)');
  expression.registerFunction('millis', () => clock.now(), '<:n>');
  expression.registerFunction(
    'now',
    (picture?: string, zone?: string) => fromMillis.evaluate(undefined, { ms: clock.now(), picture, zone }),
    '<s?s?:s>',
  );
  expression.registerFunction('pad', (text, width, fill) => pad(text, width, fill, limits.recordBytesMax), '<s-ns?:s>');
}

/** As the library's, which makes a list as long as the text it is asked for. */
function pad(text: string | undefined, width: number, fill: string | undefined, lengthMax: number): string | undefined {
  if (text === undefined) return undefined;
  const missing = Math.abs(Math.trunc(width)) - Array.from(text).length;
  if (!(missing > 0)) return text;
  if (missing > lengthMax) throw new ExpressionError('', `$pad makes text of at most ${lengthMax} characters`);
  const signs = Array.from(fill || ' ');
  const padding = Array.from({ length: missing }, (_, i) => signs[i % signs.length]).join('');
  return width > 0 ? text + padding : padding + text;
}

interface Survey {
  readonly usesEval: boolean;
  readonly patterns: RegExp[];
}

/** What in a syntax tree must be looked at before it may run. */
function survey(ast: unknown): Survey {
  const patterns: RegExp[] = [];
  let usesEval = false;
  const seen = new Set<unknown>();
  const waiting: unknown[] = [ast];
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (typeof node !== 'object' || node === null || seen.has(node)) continue;
    seen.add(node);
    if (node instanceof RegExp) patterns.push(node);
    const { type, value } = node as Node;
    if (type === 'variable' && value === 'eval') usesEval = true;
    waiting.push(...Object.values(node));
  }
  return { usesEval, patterns };
}
