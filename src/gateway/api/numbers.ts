/**
 * JSON in and out without losing digits: whole numbers beyond what a JavaScript number holds become BigInts, and are
 * written as they were read. Called for bodies that go from one version of an API to another, where an id of 19 digits
 * must not come out as its neighbour.
 */
import { randomBytes } from 'node:crypto';

/** Marks a number in text while the library has it; nobody outside can know it. */
const MARK = `sluice-number-${randomBytes(12).toString('hex')}:`;
const WRITTEN = new RegExp(`"${MARK}(-?\\d+)"`, 'g');
const LONG = /\d{16}/;
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const WHOLE = /^-?\d{16,}$/;

/** @throws SyntaxError */
export function parseJson(text: string): unknown {
  const plain: unknown = JSON.parse(text);
  if (!LONG.test(text)) return plain;
  let found = false;
  const marked = text.replace(TOKENS, (token) => {
    if (!WHOLE.test(token) || Number.isSafeInteger(Number(token))) return token;
    found = true;
    return `"${MARK}${token}"`;
  });
  if (!found) return plain;
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === 'string' && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value,
  );
}

export function writeJson(value: unknown): string {
  let found = false;
  const text = JSON.stringify(value, (_, one: unknown) => {
    if (typeof one !== 'bigint') return one;
    found = true;
    return `${MARK}${one}`;
  });
  return found ? text.replaceAll(WRITTEN, '$1') : text;
}
