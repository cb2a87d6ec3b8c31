/**
 * Conversions of text: uppercase, lowercase, trim, replace, split, join, mask. Case and white space are Unicode's, as
 * JavaScript has them, the same in every locale; `mask` counts code points. Called by `steps.ts` when a list is compiled.
 */
import type { Limits } from '#kernel';
import { compilePattern, outputBound } from '../patterns/pattern.ts';
import { specialise } from '../specialise.ts';
import { type Conversion, type Convert, REFUSED } from '../step.ts';

const TEXT = 'text';

const toUpper = (value: unknown) => (typeof value === 'string' ? value.toUpperCase() : REFUSED);
const toLower = (value: unknown) => (typeof value === 'string' ? value.toLowerCase() : REFUSED);
const toTrimmed = (value: unknown) => (typeof value === 'string' ? value.trim() : REFUSED);

export const uppercase: Conversion = { convert: toUpper, takes: TEXT };
export const lowercase: Conversion = { convert: toLower, takes: TEXT };
export const trim: Conversion = { convert: toTrimmed, takes: TEXT };

/** Text of what has an obvious one: text, numbers, truth values. `undefined` for the rest. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'
    ? String(value)
    : undefined;
}

export interface ReplaceSettings {
  readonly text?: string | undefined;
  readonly pattern?: string | undefined;
  readonly with: string;
  readonly ignore_case?: boolean | undefined;
}

/** Every occurrence of a text or a pattern. */
export function replace(settings: ReplaceSettings, limits: Limits): Conversion {
  const { text, pattern } = settings;
  if (pattern === undefined) {
    const searched = text as string;
    const literal = settings.with.replaceAll('$', '$$$$');
    const lengthMax = outputBound(settings.with, limits);
    return {
      convert: (value) =>
        typeof value === 'string' && value.length <= lengthMax ? value.replaceAll(searched, literal) : REFUSED,
      takes: `text of at most ${lengthMax} characters`,
    };
  }
  const { expression, lengthMax: patternMax } = compilePattern(pattern, settings.ignore_case ?? false, limits);
  const lengthMax = Math.min(patternMax, outputBound(settings.with, limits));
  return {
    convert: (value) =>
      typeof value === 'string' && value.length <= lengthMax ? value.replace(expression, settings.with) : REFUSED,
    takes: `text of at most ${lengthMax} characters, which is what this pattern may be applied to`,
  };
}

export interface SplitSettings {
  readonly separator?: string | undefined;
  readonly pattern?: string | undefined;
}

export function split(settings: SplitSettings, limits: Limits): Conversion {
  const { separator, pattern } = settings;
  if (pattern === undefined) {
    const between = separator as string;
    return { convert: (value) => (typeof value === 'string' ? value.split(between) : REFUSED), takes: TEXT };
  }
  const { expression, lengthMax } = compilePattern(pattern, false, limits);
  return {
    convert: (value) => (typeof value === 'string' && value.length <= lengthMax ? value.split(expression) : REFUSED),
    takes: `text of at most ${lengthMax} characters, which is what this pattern may be applied to`,
  };
}

/** The elements of a list as one text; null and missing ones are left out. */
export function join(separator: string, limits: Limits): Conversion {
  return {
    convert: (value) => {
      if (!Array.isArray(value)) return REFUSED;
      let joined = '';
      let any = false;
      for (const element of value) {
        if (element === null || element === undefined) continue;
        const text = textOf(element);
        if (text === undefined) return REFUSED;
        joined = any ? joined + separator + text : text;
        any = true;
        if (joined.length > limits.recordBytesMax) return REFUSED;
      }
      return joined;
    },
    takes: 'a list of text, numbers and truth values that fits a record when joined',
  };
}

export interface MaskSettings {
  readonly keep_first: number;
  readonly keep_last: number;
  readonly with: string;
}

/** Signs for the lengths that are common. */
const PREPARED = 64;

/** True where one character may be two units. */
function hasSurrogates(text: string): boolean {
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xf800) === 0xd800) return true;
  return false;
}

const masking =
  (first: number, last: number, signs: readonly string[], wide: (text: string) => boolean, slow: Convert): Convert =>
  (value) => {
    if (typeof value !== 'string' || value.length >= signs.length || wide(value)) return slow(value);
    const { length } = value;
    if (length <= first + last) return signs[length];
    return value.slice(0, first) + signs[length - first - last] + value.slice(length - last);
  };

/** Hides all but the first and last characters; hides everything where these would be the whole. */
export function mask({ keep_first: first, keep_last: last, with: sign }: MaskSettings): Conversion {
  const signs = Array.from({ length: PREPARED }, (_, length) => sign.repeat(length));
  const slow = (value: unknown) => {
    const text = textOf(value);
    if (text === undefined) return REFUSED;
    const characters = Array.from(text);
    const hidden = characters.length - first - last;
    if (hidden <= 0) return sign.repeat(characters.length);
    return characters.slice(0, first).join('') + sign.repeat(hidden) + characters.slice(first + hidden).join('');
  };
  return { convert: specialise(masking)(first, last, signs, hasSurrogates, slow), takes: 'text or a number' };
}
