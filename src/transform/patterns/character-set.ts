/**
 * Sets of code points as sorted ranges: which characters can a piece of a regular expression begin with? Where that is
 * not known, the answer is EVERY, which overlaps with all. Called by `cost.ts`.
 */
import type { AST } from '@eslint-community/regexpp';

/** Ranges, both ends included, ascending, apart. */
export type CharacterSet = readonly (readonly [from: number, to: number])[];

const LAST = 0x10ffff;
export const EVERY: CharacterSet = [[0, LAST]];
export const NONE: CharacterSet = [];

const ESCAPES: Readonly<Record<'digit' | 'space' | 'word', CharacterSet>> = {
  digit: [[48, 57]],
  word: [
    [48, 57],
    [65, 90],
    [95, 95],
    [97, 122],
  ],
  space: [
    [9, 13],
    [32, 32],
    [160, 160],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
    [0x2028, 0x2029],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ],
};
const LINE_ENDS: CharacterSet = [
  [10, 10],
  [13, 13],
  [0x2028, 0x2029],
];
/** With the flag `i`, a letter may stand for any letter, and for any character beyond ASCII. */
const CASED: CharacterSet = [
  [65, 90],
  [97, 122],
  [128, LAST],
];

export function union(...sets: readonly CharacterSet[]): CharacterSet {
  const sorted = sets.flat().sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

export function overlap(a: CharacterSet, b: CharacterSet): boolean {
  return a.some(([from, to]) => b.some(([other, end]) => from <= end && other <= to));
}

function complement(set: CharacterSet): CharacterSet {
  const result: [number, number][] = [];
  let at = 0;
  for (const [from, to] of set) {
    if (from > at) result.push([at, from - 1]);
    at = to + 1;
  }
  if (at <= LAST) result.push([at, LAST]);
  return result;
}

/** The characters that a node of one character matches. */
export function charactersOf(
  node: AST.Character | AST.CharacterSet | AST.CharacterClass,
  ignoreCase: boolean,
): CharacterSet {
  const plain = plainCharactersOf(node);
  return ignoreCase && overlap(plain, CASED) ? union(plain, CASED) : plain;
}

function plainCharactersOf(node: AST.CharacterClassElement | AST.CharacterSet | AST.CharacterClass): CharacterSet {
  switch (node.type) {
    case 'Character':
      return [[node.value, node.value]];
    case 'CharacterClassRange':
      return [[node.min.value, node.max.value]];
    case 'CharacterClass': {
      const members = node.elements.map((element) => plainCharactersOf(element));
      // A property's characters are not known, so neither are those outside of it.
      if (node.negate) return members.includes(EVERY) ? EVERY : complement(union(...members));
      return union(...members);
    }
    case 'CharacterSet':
      if (node.kind === 'any') return complement(LINE_ENDS);
      if (node.kind === 'property') return EVERY;
      return node.negate ? complement(ESCAPES[node.kind]) : ESCAPES[node.kind];
    default:
      return EVERY;
  }
}
