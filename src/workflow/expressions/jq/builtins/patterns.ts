/**
 * Built-in functions of jq with regular expressions: only those whose pattern stands in the program as text, and only of the
 * part of Oniguruma's language that `translate` can say in JavaScript's; others are left to the library. What a pattern may
 * cost at worst is bounded, so no input can make one run for long.
 */
import { DEFAULT_LIMITS } from '#kernel';
import { faultOf, lengthMax } from '#transform';
import { type Code, several, single, Unsupported } from '../code.ts';
import { charge, JqError } from '../run.ts';
import type { Ast } from '../syntax.ts';
import { codePointCount, type Fields, type Json, put, shown } from '../values.ts';
import type { Natives } from './native.ts';
import { translate } from './translate.ts';

interface Pattern {
  readonly expression: RegExp;
  readonly global: boolean;
  readonly lengthMax: number;
  /** Names of groups in order, null for those without. */
  readonly groups: readonly (string | null)[];
}

interface Match {
  readonly at: number;
  readonly text: string;
  readonly groups: readonly (string | undefined)[];
  readonly places: readonly (readonly [number, number] | undefined)[];
}

function patternOf(ast: Ast | undefined, flags: Ast | undefined, forced = ''): Pattern {
  const source = ast?.kind === 'literal' ? ast.value : undefined;
  const given = flags === undefined ? '' : flags.kind === 'literal' ? (flags.value ?? '') : undefined;
  if (typeof source !== 'string' || typeof given !== 'string') throw new Unsupported('a pattern that is computed');
  if (!/^[gin]*$/.test(given) || given.includes('n')) throw new Unsupported(`flags ${given} of a pattern`);
  const { text, groups } = translate(source);
  const ignoreCase = given.includes('i') ? 'i' : '';
  const fault = faultOf(text, `u${ignoreCase}`, DEFAULT_LIMITS);
  if (fault !== undefined) throw new Unsupported(fault);
  const expression = new RegExp(text, `gdu${ignoreCase}`);
  if (expression.test('')) throw new Unsupported('a pattern that matches nothing at all');
  expression.lastIndex = 0;
  const global = given.includes('g') || forced.includes('g');
  return { expression, global, groups, lengthMax: lengthMax(text, `u${ignoreCase}`, DEFAULT_LIMITS) };
}

function textFor({ lengthMax: longest }: Pattern, value: Json): string {
  if (typeof value !== 'string') throw new JqError(`${shown(value)} cannot be matched, as it is not a string`);
  if (value.length > longest) throw new JqError(`the pattern may be applied to text of at most ${longest} characters`);
  charge(1 + (value.length >> 3));
  return value;
}

function matchesOf(pattern: Pattern, text: string): Match[] {
  const { expression, global } = pattern;
  const found: Match[] = [];
  expression.lastIndex = 0;
  for (let match = expression.exec(text); match; match = expression.exec(text)) {
    charge(1);
    if (match[0] === '') throw new Unsupported('a match of nothing');
    const places = (match as unknown as { indices: (readonly [number, number] | undefined)[] }).indices;
    found.push({ at: match.index, text: match[0], groups: match.slice(1), places: places.slice(1) });
    if (!global) break;
  }
  return found;
}

function described({ groups: names }: Pattern, text: string, { at, text: whole, groups, places }: Match): Json {
  const offset = (place: number) => codePointCount(text.slice(0, place));
  return {
    offset: offset(at),
    length: codePointCount(whole),
    string: whole,
    captures: groups.map((part, i) => ({
      offset: part === undefined ? -1 : offset((places[i] as readonly [number, number])[0]),
      length: part === undefined ? 0 : codePointCount(part),
      string: part ?? null,
      name: names[i] ?? null,
    })),
  };
}

function captured({ groups: names }: Pattern, { groups }: Match): Fields {
  const made: Fields = {};
  names.forEach((name, i) => {
    if (name !== null) put(made, name, groups[i] ?? null);
  });
  return made;
}

function eachMatch(pattern: Pattern, give: (text: string, match: Match) => Json): Code {
  return several((input, _frames, out) => {
    const text = textFor(pattern, input);
    for (const match of matchesOf(pattern, text)) out(give(text, match));
  });
}

function pieces(pattern: Pattern, input: Json): string[] {
  const text = textFor(pattern, input);
  const made: string[] = [];
  let from = 0;
  for (const { at, text: separator } of matchesOf(pattern, text)) {
    made.push(text.slice(from, at));
    from = at + separator.length;
  }
  return [...made, text.slice(from)];
}

function substitution(pattern: Pattern, by: Code): Code {
  const { one } = by;
  if (one === undefined) throw new Unsupported('a substitution by several values');
  return single((input, frames) => {
    const text = textFor(pattern, input);
    let made = '';
    let from = 0;
    for (const match of matchesOf(pattern, text)) {
      const put = one(captured(pattern, match), frames);
      if (typeof put !== 'string') throw new JqError(`${shown(captured(pattern, match))} cannot be added to a string`);
      made += text.slice(from, match.at) + put;
      from = match.at + match.text.length;
    }
    charge(made.length >> 5);
    return made + text.slice(from);
  });
}

const test = (_args: readonly Code[], [pattern, flags]: readonly Ast[]): Code => {
  const compiled = patternOf(pattern, flags);
  return single((input) => {
    const text = textFor(compiled, input);
    compiled.expression.lastIndex = 0;
    return compiled.expression.test(text);
  });
};

const match = (_args: readonly Code[], [pattern, flags]: readonly Ast[]): Code => {
  const compiled = patternOf(pattern, flags);
  return eachMatch(compiled, (text, found) => described(compiled, text, found));
};

const capture = (_args: readonly Code[], [pattern, flags]: readonly Ast[]): Code => {
  const compiled = patternOf(pattern, flags);
  return eachMatch(compiled, (_text, found) => captured(compiled, found));
};

const scan = (_args: readonly Code[], [pattern, flags]: readonly Ast[]): Code => {
  const compiled = patternOf(pattern, flags, 'g');
  return eachMatch(compiled, (_text, { text, groups }) =>
    groups.length > 0 ? groups.map((part) => part ?? null) : text,
  );
};

const splits = (_args: readonly Code[], [pattern, flags]: readonly Ast[]): Code => {
  const compiled = patternOf(pattern, flags, 'g');
  return several((input, _frames, out) => pieces(compiled, input).forEach(out));
};

export const PATTERNS: Natives = {
  'test/1': test,
  'test/2': test,
  'match/1': match,
  'match/2': match,
  'capture/1': capture,
  'capture/2': capture,
  'scan/1': scan,
  'scan/2': scan,
  'splits/1': splits,
  'splits/2': splits,
  'split/2': (_args, [pattern, flags]) => {
    const compiled = patternOf(pattern, flags, 'g');
    return single((input) => pieces(compiled, input));
  },
  'sub/2': ([, by], [pattern]) => substitution(patternOf(pattern, undefined), by as Code),
  'sub/3': ([, by], [pattern, , flags]) => substitution(patternOf(pattern, flags), by as Code),
  'gsub/2': ([, by], [pattern]) => substitution(patternOf(pattern, undefined, 'g'), by as Code),
  'gsub/3': ([, by], [pattern, , flags]) => substitution(patternOf(pattern, flags, 'g'), by as Code),
};
