/** Regular expressions in declarations: none that is accepted can be made to run long, which is counted, not timed. */
import { type AST, RegExpParser } from '@eslint-community/regexpp';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '#kernel';
import { withSeed } from '#kit';
import { costOf } from '../../../src/transform/patterns/cost.ts';
import { compilePattern, faultOfPattern, lengthMax } from '../../../src/transform/patterns/pattern.ts';

/** A matcher as plain as can be, by backtracking; counts how often it looks at a character or a position. Throws beyond a bound. */
class Matcher {
  #steps = 0;
  readonly #text: string;
  readonly #stepsMax: number;

  constructor(text: string, stepsMax: number) {
    this.#text = text;
    this.#stepsMax = stepsMax;
  }

  #look(): void {
    if (++this.#steps > this.#stepsMax) throw new Error(`more than ${this.#stepsMax} steps`);
  }

  /** Finds all matches, as replacing all does. */
  search(pattern: AST.Pattern): string[] {
    const found: string[] = [];
    const anchored = pattern.alternatives.every(
      ({ elements: [first] }) => first?.type === 'Assertion' && first.kind === 'start',
    );
    for (let at = 0; at <= this.#text.length; ) {
      let end = -1;
      this.#any(pattern.alternatives, at, (position) => {
        end = position;
        return true;
      });
      if (end !== -1) found.push(this.#text.slice(at, end));
      if (anchored) break;
      at = end > at ? end : at + 1;
    }
    return found;
  }

  #any(alternatives: readonly AST.Alternative[], at: number, next: (at: number) => boolean): boolean {
    return alternatives.some(({ elements }) => this.#row(elements, at, next));
  }

  #row([first, ...others]: readonly AST.Element[], at: number, next: (at: number) => boolean): boolean {
    return first === undefined ? next(at) : this.#one(first, at, (position) => this.#row(others, position, next));
  }

  #one(node: AST.Element, at: number, next: (at: number) => boolean): boolean {
    switch (node.type) {
      case 'Group':
      case 'CapturingGroup':
        return this.#any(node.alternatives, at, next);
      case 'Quantifier':
        return this.#repeat(node, at, 0, next);
      case 'Assertion':
        this.#look();
        return this.#holds(node, at) && next(at);
      default:
        this.#look();
        return (
          at < this.#text.length && new RegExp(`^(?:${node.raw})$`, 'u').test(this.#text[at] as string) && next(at + 1)
        );
    }
  }

  #holds(node: AST.Assertion, at: number): boolean {
    if (node.kind === 'start') return at === 0;
    if (node.kind === 'end') return at === this.#text.length;
    if (node.kind === 'lookahead') return this.#any(node.alternatives, at, () => true) !== node.negate;
    const isWord = (i: number) => /\w/.test(this.#text[i] ?? '');
    return (isWord(at - 1) !== isWord(at)) !== (node as AST.WordBoundaryAssertion).negate;
  }

  #repeat(node: AST.Quantifier, at: number, count: number, next: (at: number) => boolean): boolean {
    const again = () =>
      count < node.max &&
      this.#one(node.element, at, (position) => {
        if (position === at && count >= node.min) return false;
        return this.#repeat(node, position, count + 1, next);
      });
    if (count < node.min) return again();
    return node.greedy ? again() || next(at) : next(at) || again();
  }
}

const PARSER = new RegExpParser({ ecmaVersion: 2024 });

function parse(source: string): AST.Pattern {
  return PARSER.parsePattern(source, 0, source.length, { unicode: true });
}

function boundOf(source: string, length: number): number {
  const { factor, degree } = costOf(parse(source), { ignoreCase: false, multiline: false });
  return factor * (length + 1) ** degree;
}

const single = fc.constantFrom('a', 'b', '-', '[ab]', '[^a]', '\\w', '\\d', '.', '[^-]', '\\s');
const quantifier = fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}', '*?', '+?', '??');
const source = fc.letrec<{ any: string; piece: string }>((tie) => ({
  any: fc.oneof(
    fc.array(tie('piece'), { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join('')),
    fc.tuple(tie('piece'), tie('piece')).map(([a, b]) => `${a}|${b}`),
  ),
  piece: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    single,
    fc.tuple(single, quantifier).map((both) => both.join('')),
    fc.constantFrom('^', '$', '\\b', '(?=a*b)', '(?!-)'),
    tie('any').map((inner) => `(${inner})`),
    fc.tuple(tie('any'), quantifier).map(([inner, repeat]) => `(?:${inner})${repeat}`),
  ),
})).any;
const text = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', '-', ' ', '1'), maxLength: 24 }),
  fc
    .tuple(fc.constantFrom('a', 'ab', 'a-', '-'), fc.nat(12), fc.constantFrom('', 'c', '-', ' '))
    .map(([unit, count, end]) => unit.repeat(count) + end),
);

describe('the bound on the steps of a pattern', () => {
  test('holds for any pattern on any text', () => {
    let bounded = 0;
    fc.assert(
      fc.property(source, text, (pattern, subject) => {
        const bound = boundOf(pattern, subject.length);
        if (!Number.isFinite(bound) || bound > 1e9) return;
        bounded++;
        const found = new Matcher(subject, bound).search(parse(pattern));
        if (!pattern.includes('^')) expect(found).toEqual(subject.match(new RegExp(pattern, 'gu')) ?? []);
      }),
      withSeed({ numRuns: 3000 }),
    );
    expect(bounded).toBeGreaterThan(1000);
  });

  test.each(['(a+)+b', '(a*)*', '(a|a)*b', '(a|ab)*c', '(\\w+\\s?)*$', '(a+){30}b', '(a)\\1', '(?<=a+)b', '(.*a){20}'])(
    'refuses %s',
    (pattern) => {
      expect(faultOfPattern(pattern)).toMatch(/too long/);
    },
  );

  test.each([
    ['\\s+', DEFAULT_LIMITS.recordBytesMax],
    ['[^0-9]+', DEFAULT_LIMITS.recordBytesMax],
    ['^(\\d{3})-(\\d{4})$', 100_000],
    ['colou?r|favou?rite', 200_000],
    ['(?:-[a-z]+)*;', 500],
    ['^\\s+|\\s+$', 500],
    ['(\\w+)@(\\w+)\\.com', 500],
    ['<[^>]*>', 500],
    ['a.*b', 500],
  ])('lets %s be applied to %d characters', (pattern, length) => {
    expect(lengthMax(pattern, 'gu', DEFAULT_LIMITS)).toBeGreaterThanOrEqual(length);
    expect(compilePattern(pattern, false, DEFAULT_LIMITS).expression.flags).toBe('gu');
  });

  test('counts letters as one another where case is ignored', () => {
    expect(boundOf('a+B', 10)).toBeLessThan(Number.POSITIVE_INFINITY);
    expect(faultOfPattern('(?:a+B)*C')).toBe(undefined);
    expect(faultOfPattern('(?:a+B)*C', true)).toMatch(/too long/);
  });

  test('is found at once for patterns that nest deeply', () => {
    expect(faultOfPattern(`${'('.repeat(200)}a${')?'.repeat(200)}`)).toBeDefined();
  });

  test.each(['(', 'a{2,1}', '[b-a]', '\\p{Nope}', '(?<x>a)(?<x>b)'])('%s is refused as it is no pattern', (pattern) => {
    expect(faultOfPattern(pattern)).toMatch(/Invalid/);
  });
});
