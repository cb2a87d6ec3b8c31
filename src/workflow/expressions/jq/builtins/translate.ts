/**
 * The part of Oniguruma's regular expressions (Perl's syntax, as jq uses it) that means the same in JavaScript, written for
 * JavaScript: classes of characters are of Unicode there, `.` leaves out only the line feed, `$` is also before the last one.
 */
import { Unsupported } from '../code.ts';

const WORD = '\\p{L}\\p{M}\\p{Nd}\\p{Pc}';
const SHORTHANDS: Readonly<Record<string, string>> = {
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  s: '\\p{White_Space}',
  S: '\\P{White_Space}',
  w: `[${WORD}]`,
  W: `[^${WORD}]`,
};
const IN_CLASS: Readonly<Record<string, string>> = { d: '\\p{Nd}', s: '\\p{White_Space}', w: WORD };
const BOUNDARY = `(?:(?<=[${WORD}])(?![${WORD}])|(?<![${WORD}])(?=[${WORD}]))`;
const CONTROLS: ReadonlySet<string> = new Set(['n', 't', 'r', 'f', 'v']);
const PUNCTUATION = /^[\\^$.*+?()[\]{}|/]$/;
/** Signs that have to be escaped where the flag `u` is set, and outside classes may stand for themselves in Oniguruma. */
const LITERAL = /^[^\\^$.*+?()[\]{}|]$/u;
const REPEAT = /^\{\d+(?:,\d*)?\}/;

export function translate(source: string): { text: string; groups: (string | null)[] } {
  const groups: (string | null)[] = [];
  let text = '';
  for (let at = 0; at < source.length; ) {
    const rest = source.slice(at);
    const [made, length] = piece(rest, groups);
    text += made;
    at += length;
    const quantifier = /^(?:[*+?]|\{\d+(?:,\d*)?\})/.exec(source.slice(at))?.[0];
    if (quantifier === undefined) continue;
    text += quantifier;
    at += quantifier.length;
    const lazy = source[at] === '?';
    if (lazy) {
      if (quantifier.startsWith('{')) throw new Unsupported('a lazy count in a pattern');
      text += '?';
      at += 1;
    }
    // Possessive and doubled ones.
    if (/^[*+?]/.test(source.slice(at)) || REPEAT.test(source.slice(at))) throw new Unsupported('a repeat of a repeat');
  }
  if (groups.some((name) => name !== null) && groups.some((name) => name === null)) {
    throw new Unsupported('groups with and without names');
  }
  return { text, groups };
}

function piece(rest: string, groups: (string | null)[]): readonly [made: string, length: number] {
  const sign = String.fromCodePoint(rest.codePointAt(0) as number);
  if (sign === '\\') return escaped(rest);
  if (sign === '[') return characterClass(rest);
  if (sign === '.') return ['[^\\n]', 1];
  if (sign === '^') return ['^', 1];
  if (sign === '$') return ['(?=\\n?$)', 1];
  if (sign === '|' || sign === ')') return [sign, 1];
  if (sign === '(') {
    const named = /^\(\?<([A-Za-z_]\w*)>/.exec(rest);
    if (named) {
      const name = named[1] as string;
      if (groups.includes(name)) throw new Unsupported('two groups of one name');
      groups.push(name);
      return [named[0], named[0].length];
    }
    const look = /^\(\?(?::|=|!)/.exec(rest);
    if (look) return [look[0], look[0].length];
    if (rest[1] === '?') throw new Unsupported('a kind of group');
    groups.push(null);
    return ['(', 1];
  }
  if (LITERAL.test(sign)) return [sign, sign.length];
  throw new Unsupported(`${sign} in a pattern`);
}

function escaped(rest: string): readonly [made: string, length: number] {
  const sign = rest[1] ?? '';
  if (Object.hasOwn(SHORTHANDS, sign)) return [SHORTHANDS[sign] as string, 2];
  if (sign === 'b') return [BOUNDARY, 2];
  if (sign === 'A') return ['^', 2];
  if (sign === 'z') return ['$', 2];
  if (CONTROLS.has(sign) || PUNCTUATION.test(sign)) return [`\\${sign}`, 2];
  if (/^[-"'#%&,:;<=>@_`~ !]$/.test(sign)) return [sign === '-' ? '\\x2d' : sign, 2];
  throw new Unsupported(`\\${sign} in a pattern`);
}

function characterClass(rest: string): readonly [made: string, length: number] {
  let at = 1;
  let made = '[';
  if (rest[at] === '^') {
    made += '^';
    at += 1;
  }
  for (let first = true; ; first = false) {
    const sign = String.fromCodePoint(rest.codePointAt(at) ?? 0);
    if (at >= rest.length) throw new Unsupported('a class that does not end');
    if (sign === ']' && !first) return [`${made}]`, at + 1];
    if (sign === '[' || sign === ']' || rest.startsWith('&&', at)) throw new Unsupported('a class in a class');
    if (sign === '\\') {
      const next = rest[at + 1] ?? '';
      const known = IN_CLASS[next];
      if (known !== undefined) made += known;
      else if (CONTROLS.has(next) || PUNCTUATION.test(next) || next === '-') made += `\\${next}`;
      else throw new Unsupported(`\\${next} in a class`);
      at += 2;
      continue;
    }
    made += /[\^$.*+?(){}|/]/.test(sign) ? `\\${sign}` : sign;
    at += sign.length;
  }
}
