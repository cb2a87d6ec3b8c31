/**
 * What one evaluation has used up, and how it may end. Evaluations do not wait for anything, so there is one at a time on a
 * thread and this is kept in the module: a counter behind every closure would cost more than the closures do.
 */

/** An error that a program can catch: its value is what `catch` sees. */
export class JqError extends Error {
  override readonly name = 'JqError';
  readonly value: unknown;

  constructor(value: unknown) {
    super(typeof value === 'string' ? value : `${JSON.stringify(value)} (not a string)`);
    this.value = value;
  }
}

/** A program that does not end, or wants too much. It cannot catch this. */
export class JqBudgetError extends Error {
  override readonly name = 'JqBudgetError';
}

const state = { steps: 0, variables: {} as Readonly<Record<string, unknown>>, nowMs: 0 };

/** @throws JqBudgetError */
export function charge(steps: number): void {
  state.steps -= steps;
  if (state.steps < 0) throw new JqBudgetError('the expression takes more steps than it may');
}

export function begin(steps: number, variables: Readonly<Record<string, unknown>>, nowMs: number): void {
  state.steps = steps;
  state.variables = variables;
  state.nowMs = nowMs;
}

export function variableOf(name: string): unknown {
  const { variables } = state;
  if (!Object.hasOwn(variables, name)) throw new JqError(`$${name} is not defined here`);
  return variables[name] ?? null;
}

export function nowSeconds(): number {
  return state.nowMs / 1_000;
}
