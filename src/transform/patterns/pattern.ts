/**
 * Regular expressions that come from declarations. They are JavaScript's, with the flag `u`; each is held against what
 * it may cost at worst (`cost.ts`), which gives the longest text it may be applied to. One that could not even be
 * applied to a short text is refused when it is declared. So no record can make a pattern run for seconds.
 */
import { type AST, RegExpParser } from '@eslint-community/regexpp';
import { DEFAULT_LIMITS, type Limits } from '#kernel';
import { type Amount, costOf } from './cost.ts';

export interface Pattern {
  /** With the flag `g`. */
  readonly expression: RegExp;
  /** Longer texts must not be given to it. */
  readonly lengthMax: number;
}

/** A pattern that may be applied to less than this is of no use. */
const LENGTH_MIN = 256;
/** Characters that replacing may make of one text. */
const OUTPUT_LENGTH_MAX = 16 * 1024 * 1024;
const PARSER = new RegExpParser({ ecmaVersion: 2024 });

/** What is wrong with a pattern, as a sentence. */
export function faultOfPattern(source: string, ignoreCase = false): string | undefined {
  return faultOf(source, ignoreCase ? 'iu' : 'u', DEFAULT_LIMITS);
}

/** A pattern that has been checked. */
export function compilePattern(source: string, ignoreCase: boolean, limits: Limits): Pattern {
  const flags = ignoreCase ? 'giu' : 'gu';
  return { expression: new RegExp(source, flags), lengthMax: lengthMax(source, flags, limits) };
}

/** What is wrong with a regular expression of any flags. */
export function faultOf(source: string, flags: string, limits: Limits): string | undefined {
  let longest: number;
  try {
    longest = lengthMax(source, flags, limits);
  } catch (error) {
    return (error as Error).message;
  }
  if (longest >= LENGTH_MIN) return undefined;
  return `/${source}/ could take too long: it has repeats that can match the same text in many ways, or a backreference`;
}

/** The longest text this expression may be applied to. @throws SyntaxError */
export function lengthMax(source: string, flags: string, limits: Limits): number {
  const parsed: AST.Pattern = PARSER.parsePattern(source, 0, source.length, { unicode: flags.includes('u') });
  const cost = costOf(parsed, { ignoreCase: flags.includes('i'), multiline: flags.includes('m') });
  return Math.min(longestWithin(cost, limits.patternStepsMax), limits.recordBytesMax);
}

function longestWithin({ factor, degree }: Amount, steps: number): number {
  const texts = Math.floor((steps / factor) ** (1 / degree));
  return Number.isFinite(texts) ? Math.max(0, texts - 1) : 0;
}

/** The longest text in which occurrences may be replaced by `replacement` without making too much of it. */
export function outputBound(replacement: string, limits: Limits): number {
  return Math.min(limits.recordBytesMax, Math.floor(OUTPUT_LENGTH_MAX / Math.max(1, replacement.length)) - 1);
}

/** What is wrong with a replacement: the two forms that insert all before or after a match grow with the square. */
export function faultOfReplacement(replacement: string): string | undefined {
  return /(^|[^$])(\$\$)*\$[`']/.test(replacement) ? "a replacement has no $` and no $'" : undefined;
}
