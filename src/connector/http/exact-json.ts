/**
 * JSON without losing a digit: numbers with more than JavaScript's fifteen are read as marked texts and written as the numbers
 * they were. Used by the decoders and where values become rows, requests and text.
 */

const MARK = '\uE000';
const LONG = /\d{16}|\d\.\d{15}|\d{8}\.\d{8}/;
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;
const MARKED = new RegExp(`"${MARK}([^"]*)"`, 'g');
const DIGITS_MAX = 15;

/** @throws SyntaxError */
export function parseExact(text: string): unknown {
  if (!LONG.test(text) || text.includes(MARK)) return JSON.parse(text);
  const marked = text.replace(TOKENS, (token) => (isLong(token) ? `"${MARK}${token}"` : token));
  return JSON.parse(marked);
}

function isLong(token: string): boolean {
  return !token.startsWith('"') && token.replace(/[eE].*$/, '').replace(/\D/g, '').length > DIGITS_MAX;
}

export function stringifyExact(value: unknown): string {
  return JSON.stringify(value)?.replace(MARKED, '$1') ?? 'null';
}

/** Whether a value is a number that was too long for one. */
export function isMarked(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(MARK);
}

/** A value as text, for paths, parameters and strings. */
export function plainText(value: unknown): string {
  if (isMarked(value)) return value.slice(MARK.length);
  return typeof value === 'object' && value !== null ? stringifyExact(value) : String(value);
}
