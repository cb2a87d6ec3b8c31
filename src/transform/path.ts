/**
 * Field paths: how a declaration names a place in a record. Parsed when a declaration is checked and again when it is
 * compiled, never for a record.
 *
 *   customer.name      a field in a field             items[0].sku   items[-1].sku   an element of a list
 *   items[].sku        the field in every element     ["odd.name"]   customer["first name"]   any name, quoted
 *   $key  $timestamp   of the record                  $headers.trace-id              a header
 *   $value             the whole value; `$value.a` is `a`
 *
 * A name without quotes is any text without `. [ ] "` that does not begin with `$`. `__proto__` is refused
 * everywhere, so that no path leads out of the data into the objects JavaScript itself lives on.
 */

import { assert } from '#kernel';

/** In a path, "each element of the list here". */
export const EACH: unique symbol = Symbol('each');

export type Segment = string | number | typeof EACH;

export interface Path {
  readonly root: 'value' | 'key' | 'headers' | 'timestamp';
  readonly segments: readonly Segment[];
  /** As it was written. */
  readonly text: string;
}

export const PATH_LENGTH_MAX = 500;
const SEGMENTS_MAX = 32;

const NAME = /[^.[\]"\p{Cc}]+/uy;
const QUOTED = /\["((?:[^"\\\p{Cc}]|\\["\\])+)"\]/uy;
const INDEX = /\[(-?\d{1,9})?\]/y;
const ROOT = /^\$(value|key|headers|timestamp)(?![^.[])/;

/** The path, or what is wrong with it as a sentence. */
export function parsePath(text: string): Path | string {
  if (text.length > PATH_LENGTH_MAX) return `a path has at most ${PATH_LENGTH_MAX} characters`;
  const rooted = ROOT.exec(text);
  if (rooted === null && text.startsWith('$')) {
    return `"${text}" begins with $, which is $value, $key, $headers or $timestamp; quote other names: ["$name"]`;
  }
  const root = (rooted?.[1] ?? 'value') as Path['root'];
  const segments = readSegments(text, rooted?.[0].length ?? 0, rooted === null);
  if (typeof segments === 'string') return segments;
  if (segments.length > SEGMENTS_MAX) return `a path has at most ${SEGMENTS_MAX} parts`;
  if (segments.includes('__proto__')) return `"${text}" names __proto__, which is not a field`;
  if ((root === 'key' || root === 'timestamp') && segments.length > 0) return `$${root} has no fields`;
  if (root === 'headers' && (segments.length !== 1 || typeof segments[0] !== 'string')) {
    return 'a header is named as $headers.name or $headers["name"]';
  }
  return { root, segments, text };
}

/** The path of a declaration that has been checked. */
export function pathOf(text: string): Path {
  const path = parsePath(text);
  assert(typeof path !== 'string', `a path is checked before it is compiled: ${text}`);
  return path;
}

function readSegments(text: string, start: number, bare: boolean): Segment[] | string {
  const segments: Segment[] = [];
  let at = start;
  while (at < text.length || (bare && segments.length === 0)) {
    const first = bare && segments.length === 0;
    if (text[at] === '[') {
      const quoted = matchAt(QUOTED, text, at);
      const index = quoted ?? matchAt(INDEX, text, at);
      if (index === undefined) return `"${text}" has a bracket that is neither [number], [] nor ["name"]`;
      if (quoted?.[1] !== undefined) segments.push(quoted[1].replace(/\\(.)/g, '$1'));
      else segments.push(index[1] === undefined ? EACH : Number(index[1]));
      at += index[0].length;
      continue;
    }
    if (!first && text[at] !== '.') return `"${text}" has ${text[at]} where a . or [ must be`;
    const name = matchAt(NAME, text, first ? at : at + 1);
    if (name === undefined) return text === '' ? 'a path is empty' : `"${text}" has an empty or forbidden name`;
    segments.push(name[0]);
    at = (first ? at : at + 1) + name[0].length;
  }
  return segments;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

/** True where the path goes through every element of a list. */
export function hasEach(path: Path): boolean {
  return path.segments.includes(EACH);
}

/** The part up to the last list whose elements are gone through, and the part inside one element. */
export function splitAtEach(path: Path): { outside: readonly Segment[]; inside: readonly Segment[] } {
  const at = path.segments.lastIndexOf(EACH);
  return { outside: path.segments.slice(0, at + 1), inside: path.segments.slice(at + 1) };
}

/**
 * What is wrong when these paths are used together: those that go through lists must go through the same ones,
 * so that one element is at hand at a time.
 */
export function mismatchOf(paths: readonly Path[]): string | undefined {
  const [first, ...others] = paths.filter(hasEach);
  if (first === undefined) return undefined;
  const list = splitAtEach(first).outside;
  const other = others.find((path) => {
    const { outside } = splitAtEach(path);
    return outside.length !== list.length || outside.some((segment, i) => segment !== list[i]);
  });
  return other && `"${first.text}" and "${other.text}" go through different lists`;
}
