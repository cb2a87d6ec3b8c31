/**
 * A jq program, parsed, checked and compiled to closures as far as they go. Without closures (`evaluate` is undefined), or
 * where one finds at work that it cannot go on (`Unsupported`), the library runs the whole program. Called by `../jq.ts`.
 */
import { type Code, Unsupported } from './code.ts';
import { compile } from './compile.ts';
import { parse } from './parser.ts';
import { begin, JqBudgetError } from './run.ts';
import { Scope } from './scope.ts';
import type { Ast } from './syntax.ts';

/** What reads or ends the process, or other files: nothing for an expression of a workflow. */
const REFUSED = new Set(
  'input inputs input_filename input_line_number debug stderr env halt halt_error modulemeta get_search_list import include'.split(
    ' ',
  ),
);

export interface Program {
  /** Names of variables that are given from outside. */
  readonly variables: readonly string[];
  /** The values it gives. Undefined: left to the library. @throws JqError, JqBudgetError, Unsupported */
  readonly evaluate: Evaluate | undefined;
}

export type Evaluate = (
  input: unknown,
  variables: Readonly<Record<string, unknown>>,
  steps: number,
  nowMs: number,
) => unknown;

export class JqRefusedError extends Error {
  override readonly name = 'JqRefusedError';
}

/** @throws JqSyntaxError, JqRefusedError */
export function programOf(text: string): Program {
  const ast = parse(text);
  refuse(ast);
  const free = new Set<string>();
  let code: Code | undefined;
  try {
    code = compile(ast, new Scope({ free, compile }));
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
  }
  if (code === undefined) return { variables: freeVariables(ast), evaluate: undefined };
  return { variables: [...free], evaluate: evaluateOf(code) };
}

function evaluateOf({ one, many }: Code): Evaluate {
  return (input, variables, steps, nowMs) => {
    begin(steps, variables, nowMs);
    try {
      if (one) return one(input, undefined);
      const values: unknown[] = [];
      many(input, undefined, (value) => {
        values.push(value);
      });
      return values.length === 1 ? values[0] : values.length === 0 ? null : values;
    } catch (error) {
      if (error instanceof RangeError) throw new JqBudgetError('the expression nests too deep, or makes too much');
      throw error;
    }
  };
}

function refuse(ast: Ast): void {
  visit(ast, (node) => {
    const name = node.kind === 'call' ? node.name : node.kind === 'variable' ? node.name : '';
    if ((node.kind === 'call' && REFUSED.has(name)) || name === 'ENV') {
      throw new JqRefusedError(`${node.kind === 'variable' ? '$' : ''}${name} is not available in a workflow`);
    }
  });
}

/** Of a program that the library runs: every variable that is named and nowhere bound, whatever the place. */
function freeVariables(ast: Ast): string[] {
  const named = new Set<string>();
  const bound = new Set<string>();
  visit(ast, (node) => {
    if (node.kind === 'variable') named.add(node.name);
    if (node.kind === 'define') {
      for (const parameter of node.definition.parameters) bound.add(parameter.replace('$', ''));
    }
  });
  visitPatterns(ast, (name) => bound.add(name));
  return [...named].filter((name) => !bound.has(name));
}

function visit(value: unknown, see: (node: Ast) => void): void {
  if (typeof value !== 'object' || value === null) return;
  if (Object.hasOwn(value, 'kind')) see(value as Ast);
  for (const part of Object.values(value)) visit(part, see);
}

function visitPatterns(value: unknown, see: (name: string) => void): void {
  if (typeof value !== 'object' || value === null) return;
  const { kind, name } = value as { kind?: unknown; name?: unknown };
  const isPattern = kind === 'name' || (kind === undefined && Object.hasOwn(value, 'pattern'));
  if (isPattern && typeof name === 'string') see(name);
  for (const part of Object.values(value)) visitPatterns(part, see);
}
