/**
 * Values of a document that may hold expressions, compiled once: text that is `${ … }` is an expression, everything else
 * stands for itself. What has no expression in it costs nothing to evaluate. Called when a plan is made, and by tasks.
 */
import type { Duration } from '../definition/parts.ts';
import type { CompiledExpression, ExpressionLanguage } from './expression.ts';
import { Fault, problem } from './fault.ts';

/** What expressions may name, by name without `$`. */
export type Variables = Readonly<Record<string, unknown>>;

export interface Template {
  /** The same whatever the input. */
  readonly constant: boolean;
  /** @throws Fault of type `expression` */
  evaluate(input: unknown, variables: () => Variables): unknown;
}

export type CompileExpression = (text: string, language: ExpressionLanguage) => CompiledExpression;

const WHOLE = /^\s*\$\{([\s\S]*)\}\s*$/;

export class Templates {
  readonly #compile: CompileExpression;
  readonly #language: ExpressionLanguage;

  constructor(compile: CompileExpression, language: ExpressionLanguage) {
    this.#compile = compile;
    this.#language = language;
  }

  /** Any JSON, with expressions at any depth. */
  value(value: unknown): Template {
    if (typeof value === 'string') {
      const inner = WHOLE.exec(value)?.[1];
      return inner === undefined ? constantOf(value) : this.#expression(inner);
    }
    if (Array.isArray(value)) return listOf(value.map((item) => this.value(item)));
    if (typeof value === 'object' && value !== null) {
      return objectOf(Object.entries(value).map(([name, item]) => [name, this.value(item)]));
    }
    return constantOf(value);
  }

  /** Text that is an expression with or without `${ }`, or an object with expressions in it. */
  expression(value: unknown): Template {
    if (typeof value !== 'string') return this.value(value);
    return this.#expression(WHOLE.exec(value)?.[1] ?? value);
  }

  #expression(text: string): Template {
    const compiled = this.#compile(text.trim(), this.#language);
    return {
      constant: false,
      evaluate: (input, variables) => {
        try {
          const result = compiled.evaluate(input, variables());
          return result === undefined ? null : result;
        } catch (error) {
          throw new Fault(problem('expression', 400, `${text.trim()}: ${messageOf(error)}`));
        }
      },
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function constantOf(value: unknown): Template {
  return { constant: true, evaluate: () => value };
}

function listOf(items: readonly Template[]): Template {
  if (items.every(({ constant }) => constant)) return constantOf(items.map((item) => item.evaluate(null, nothing)));
  return { constant: false, evaluate: (input, variables) => items.map((item) => item.evaluate(input, variables)) };
}

function objectOf(members: readonly (readonly [string, Template])[]): Template {
  const build = (input: unknown, variables: () => Variables) => {
    const built: Record<string, unknown> = {};
    for (const [name, item] of members) define(built, name, item.evaluate(input, variables));
    return built;
  };
  return members.every(([, { constant }]) => constant)
    ? constantOf(build(null, nothing))
    : { constant: false, evaluate: build };
}

function define(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') object[name] = value;
  else Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

const nothing = (): Variables => ({});

/** Whether a condition holds: anything but false and null, as jq has it. */
export function isTrue(value: unknown): boolean {
  return value !== false && value !== null && value !== undefined;
}

const ISO_DURATION =
  /^P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Milliseconds of a duration that was evaluated. @throws Fault of type `expression` */
export function durationMs(value: unknown): number {
  const ms = parseDuration(value as Duration | number);
  if (ms === undefined || !Number.isFinite(ms) || ms < 0) {
    throw new Fault(problem('expression', 400, `${JSON.stringify(value)} is not a duration`));
  }
  return Math.round(ms);
}

function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') {
    const match = ISO_DURATION.exec(value);
    if (match === null || value === 'P' || value.endsWith('T')) return undefined;
    const [, weeks, days, hours, minutes, seconds] = match.map((part) => Number(part ?? 0));
    const daysMs = ((weeks as number) * 7 + (days as number)) * DAY_MS;
    return daysMs + (hours as number) * HOUR_MS + (minutes as number) * MINUTE_MS + (seconds as number) * SECOND_MS;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { days = 0, hours = 0, minutes = 0, seconds = 0, milliseconds = 0 } = value as Record<string, unknown>;
  const of = (part: unknown, unitMs: number) => Number(part) * unitMs;
  return of(days, DAY_MS) + of(hours, HOUR_MS) + of(minutes, MINUTE_MS) + of(seconds, SECOND_MS) + of(milliseconds, 1);
}
