/**
 * Arithmetic. Numbers are doubles, as in JSON; a result that is not a finite number is refused, since JSON has no
 * words for it. Text is not taken for a number: `cast` does that. Called by `steps.ts` when a list is compiled.
 */
import { REFUSED } from '../step.ts';

export type Arithmetic = (a: number, b: number) => number;

/** Nearest number of that many decimals, halves away from zero, by the digits that the number is written with. */
function round(value: number, digits: number): number {
  const magnitude = Math.abs(value);
  if (digits === 0) return Math.sign(value) * Math.round(magnitude);
  const shifted = shift(Math.round(shift(magnitude, digits)), -digits);
  return Number.isFinite(shifted) ? Math.sign(value) * shifted : value;
}

/** Moves the decimal point in the text of the number, where no binary fraction interferes. */
function shift(value: number, places: number): number {
  const [digits, exponent] = String(value).split('e');
  return Number(`${digits}e${Number(exponent ?? 0) + places}`);
}

/** Of two numbers, the second being `by`. */
export const BINARY: Readonly<Record<'add' | 'subtract' | 'multiply' | 'divide' | 'modulo', Arithmetic>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  modulo: (a, b) => a % b,
};

/** Of one number; the second is the number of decimals, which only `round` looks at. */
export const UNARY: Readonly<Record<'round' | 'floor' | 'ceil' | 'abs', Arithmetic>> = {
  round,
  floor: Math.floor,
  ceil: Math.ceil,
  abs: Math.abs,
};

/** The result, or REFUSED where an operand is no number or the result not finite. */
export function calculate(operation: Arithmetic, a: unknown, b: unknown): unknown {
  if (typeof a !== 'number' || typeof b !== 'number') return REFUSED;
  const result = operation(a, b);
  return Number.isFinite(result) ? result : REFUSED;
}
