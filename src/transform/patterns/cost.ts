/**
 * How many steps a backtracking matcher takes at worst to apply a regular expression to a text of a given length:
 * an upper bound, proven from the structure of the expression. Called by `pattern.ts` for each pattern of a declaration.
 *
 * For each piece: how often at most the matcher can go on from it to what follows (`ways`), and how many steps it
 * spends within it for each time it enters (`cost`). Both are `factor · N^degree`, where N is one more than the
 * length of the text. Pieces in a row multiply their ways; alternatives add them.
 *
 * What makes most expressions cheap: after a repeat whose characters cannot begin what follows it, giving back a
 * character never helps, so there is one way to go on. `\w+@\w+\.\w+` is such a row. A repeat of something that
 * itself matches in several ways is the catastrophic case, and gets no bound at all.
 */
import type { AST } from '@eslint-community/regexpp';
import { type CharacterSet, charactersOf, EVERY, NONE, overlap, union } from './character-set.ts';

export interface Amount {
  readonly factor: number;
  readonly degree: number;
}

/** What a piece can begin with, and whether it may match without taking a character. */
interface Opening {
  readonly first: CharacterSet;
  readonly empty: boolean;
}

interface Effort {
  readonly ways: Amount;
  readonly cost: Amount;
  /** Its cost is not bounded by what it takes: it looks ahead. */
  readonly looks: boolean;
}

type Piece = Opening & Effort;

const ONE: Amount = { factor: 1, degree: 0 };
const UNBOUNDED: Amount = { factor: Number.POSITIVE_INFINITY, degree: 0 };
/** Beyond it a bounded repeat counts as one without end. */
const COUNTED_MAX = 1_000;

function times(a: Amount, b: Amount): Amount {
  return { factor: a.factor * b.factor, degree: a.degree + b.degree };
}

function plus(a: Amount, b: Amount): Amount {
  return { factor: a.factor + b.factor, degree: Math.max(a.degree, b.degree) };
}

function larger(a: Amount, b: Amount): Amount {
  return { factor: Math.max(a.factor, b.factor), degree: Math.max(a.degree, b.degree) };
}

function certain({ ways }: Effort): boolean {
  return ways.factor === 1 && ways.degree === 0;
}

/** Steps to find all matches in a text, by N: `factor · N^degree`. The factor is infinite where there is no bound. */
export function costOf(pattern: AST.Pattern, flags: { ignoreCase: boolean; multiline: boolean }): Amount {
  const analysis = new Analysis(flags.ignoreCase, pattern);
  const anchored = !flags.multiline && pattern.alternatives.every(beginsAtStart);
  const starts: Amount = anchored ? ONE : { factor: 1, degree: 1 };
  const failing = pattern.alternatives.map((alternative) => analysis.failingCost(alternative)).reduce(plus);
  return plus(times(starts, failing), { factor: analysis.endingFactor, degree: 1 });
}

function beginsAtStart({ elements }: AST.Alternative): boolean {
  const first = elements[0];
  return first?.type === 'Assertion' && first.kind === 'start';
}

class Analysis {
  /** Steps for each character that repeats at the very end take, in all matches together. */
  endingFactor = 1;
  /** Nodes of the whole expression: what it costs at most to see that nothing goes on here. */
  readonly #size: number;
  readonly #ignoreCase: boolean;
  readonly #openings = new Map<AST.Element, Opening>();

  constructor(ignoreCase: boolean, pattern: AST.Pattern) {
    this.#ignoreCase = ignoreCase;
    this.#size = countNodes(pattern.alternatives);
  }

  /**
   * Of one start that ends without a match. A simple repeat at the very end cannot fail once it has its minimum; what
   * it takes beyond that is part of a match, and no character is part of two.
   */
  failingCost({ elements }: AST.Alternative): Amount {
    const last = elements.at(-1);
    if (last?.type !== 'Quantifier' || last.max <= COUNTED_MAX) return this.#row(elements, EVERY).cost;
    const repeated = this.#piece(last.element, EVERY);
    if (repeated.cost.degree > 0 || !certain(repeated) || repeated.empty) return this.#row(elements, EVERY).cost;
    this.endingFactor += repeated.cost.factor + 1;
    const before = this.#row(elements.slice(0, -1), repeated.first);
    const minimum = { factor: (last.min + 1) * (repeated.cost.factor + 1), degree: 0 };
    return plus(before.cost, times(before.ways, minimum));
  }

  /** What a piece can begin with, looked up once for each: repeats in repeats would ask again and again. */
  #opening(node: AST.Element): Opening {
    let opening = this.#openings.get(node);
    if (opening === undefined) {
      opening = this.#openingOf(node);
      this.#openings.set(node, opening);
    }
    return opening;
  }

  #openingOf(node: AST.Element): Opening {
    switch (node.type) {
      case 'Character':
      case 'CharacterSet':
      case 'CharacterClass':
        return { first: charactersOf(node, this.#ignoreCase), empty: false };
      case 'Quantifier': {
        const { first, empty } = this.#opening(node.element);
        return { first, empty: empty || node.min === 0 };
      }
      case 'Group':
      case 'CapturingGroup': {
        const rows = node.alternatives.map(({ elements }) => this.#openingOfRow(elements));
        return { first: union(...rows.map((row) => row.first)), empty: rows.some((row) => row.empty) };
      }
      default:
        // An assertion takes nothing: what follows it is what it stands before, which may be anything.
        return { first: EVERY, empty: true };
    }
  }

  #openingOfRow(elements: readonly AST.Element[]): Opening {
    const openings = elements.map((element) => this.#opening(element));
    const sure = openings.findIndex(({ empty }) => !empty);
    const shown = sure === -1 ? openings : openings.slice(0, sure + 1);
    return { first: union(...shown.map(({ first }) => first)), empty: sure === -1 };
  }

  #row(elements: readonly AST.Element[], follow: CharacterSet): Piece {
    let row: Piece = { ways: ONE, cost: ONE, first: NONE, empty: true, looks: false };
    for (const element of elements.toReversed()) {
      const next = row.empty ? union(row.first, follow) : row.first;
      const piece = this.#piece(element, next);
      row = {
        ways: times(piece.ways, row.ways),
        cost: plus(piece.cost, times(piece.ways, row.cost)),
        first: piece.empty ? union(piece.first, row.first) : piece.first,
        empty: piece.empty && row.empty,
        looks: piece.looks || row.looks,
      };
    }
    return row;
  }

  #piece(node: AST.Element, follow: CharacterSet): Piece {
    const opening = this.#opening(node);
    switch (node.type) {
      case 'Character':
      case 'CharacterSet':
      case 'CharacterClass':
        return { ...opening, ways: ONE, cost: ONE, looks: false };
      case 'Group':
      case 'CapturingGroup':
        return { ...this.#choice(node.alternatives, follow), ...opening };
      case 'Quantifier':
        return { ...this.#repeat(node, follow), ...opening };
      case 'Assertion':
        return { ...this.#assertion(node), ...opening };
      default:
        // A backreference takes as long as what it refers to; sets of strings come with a flag that is not used.
        return { ...opening, ways: ONE, cost: UNBOUNDED, looks: true };
    }
  }

  #choice(alternatives: readonly AST.Alternative[], follow: CharacterSet): Effort {
    const rows = alternatives.map(({ elements }) => this.#row(elements, follow));
    const apart = rows.every(
      (row, i) => !row.empty && rows.slice(i + 1).every((other) => !overlap(row.first, other.first)),
    );
    return {
      ways: rows.map((row) => row.ways).reduce(apart ? larger : plus),
      cost: plus(rows.map((row) => row.cost).reduce(plus), ONE),
      looks: rows.some((row) => row.looks),
    };
  }

  #assertion(node: AST.Assertion): Effort {
    if (!('alternatives' in node)) return { ways: ONE, cost: ONE, looks: false };
    // Matched backwards, where what follows is not known.
    if (node.kind === 'lookbehind' && hasRepeat(node)) return { ways: ONE, cost: UNBOUNDED, looks: true };
    const inner = this.#choice(node.alternatives, EVERY);
    return { ways: ONE, cost: plus(inner.cost, ONE), looks: inner.looks || inner.cost.degree > 0 };
  }

  #repeat({ min, max, element }: AST.Quantifier, follow: CharacterSet): Effort {
    const { first, empty } = this.#opening(element);
    const repeated = this.#piece(element, max === 1 ? follow : union(follow, first));
    const { looks } = repeated;
    const apart = certain(repeated) && !empty && !overlap(first, follow);
    if (max > COUNTED_MAX) {
      if (!certain(repeated) || empty) return { ways: UNBOUNDED, cost: UNBOUNDED, looks };
      return { ways: apart ? ONE : { factor: 1, degree: 1 }, cost: this.#endlessCost(repeated), looks };
    }
    const rounds: Amount = { factor: max + 1, degree: 0 };
    if (apart) return { ways: ONE, cost: times(rounds, this.#withFailure(repeated)), looks };
    const entries = power(repeated.ways, Math.max(0, max - 1));
    return {
      ways: times({ factor: max - min + 1, degree: 0 }, power(repeated.ways, max)),
      cost: times(times(rounds, entries), this.#withFailure(repeated)),
      looks,
    };
  }

  /** A repeat of what goes on in one way: each round pays for what it takes, and the last one for failing. */
  #endlessCost(repeated: Piece): Amount {
    const round = this.#withFailure(repeated);
    if (repeated.looks || repeated.cost.degree > 1) return times({ factor: 1, degree: 1 }, round);
    return { factor: 2 * round.factor, degree: 1 };
  }

  #withFailure({ cost }: Piece): Amount {
    return plus(cost, { factor: this.#size, degree: 0 });
  }
}

function power({ factor, degree }: Amount, exponent: number): Amount {
  return { factor: factor ** exponent, degree: degree * exponent };
}

function hasRepeat(node: AST.LookaroundAssertion): boolean {
  return /[*+?{]/.test(node.raw.slice(4));
}

function countNodes(alternatives: readonly AST.Alternative[]): number {
  let count = alternatives.length;
  for (const { elements } of alternatives) {
    for (const element of elements) {
      const inner = element.type === 'Quantifier' ? element.element : element;
      count += element.type === 'Quantifier' ? 2 : 1;
      if ('alternatives' in inner) count += countNodes(inner.alternatives);
    }
  }
  return count;
}
