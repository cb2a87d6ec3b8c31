/**
 * The parser of jq, the whole language but modules: precedence from `|` (weakest) over `,`, `//`, assignments, `or`, `and`,
 * comparisons, `+ -`, `* / %` to terms with their suffixes. A program that it takes is one whole program: nothing in it can
 * leave the brackets that somebody puts around it. Called by `compile.ts` and `library.ts`.
 */
import { KEYWORDS, Lexer, type Token } from './lexer.ts';
import {
  type AssignOperator,
  type Ast,
  type BinaryOperator,
  type Definition,
  JqSyntaxError,
  type Pattern,
} from './syntax.ts';
import { Terms } from './terms.ts';

/** How deep programs may be nested. */
const DEPTH_MAX = 200;
const BINARY: Readonly<Record<string, readonly [level: number, side: 'left' | 'right' | 'none']>> = {
  '//': [1, 'right'],
  '=': [2, 'none'],
  '|=': [2, 'none'],
  '+=': [2, 'none'],
  '-=': [2, 'none'],
  '*=': [2, 'none'],
  '/=': [2, 'none'],
  '%=': [2, 'none'],
  '//=': [2, 'none'],
  or: [3, 'left'],
  and: [4, 'left'],
  '==': [5, 'none'],
  '!=': [5, 'none'],
  '<': [5, 'none'],
  '<=': [5, 'none'],
  '>': [5, 'none'],
  '>=': [5, 'none'],
  '+': [6, 'left'],
  '-': [6, 'left'],
  '*': [7, 'left'],
  '/': [7, 'left'],
  '%': [7, 'left'],
};
const ASSIGN_LEVEL = 2;

/** @throws JqSyntaxError */
export function parse(text: string): Ast {
  const parser = new Parser(text);
  const program = parser.pipe();
  parser.expect('eof');
  return program;
}

/** Definitions alone, as a prelude has them. */
export function parseDefinitions(text: string): Definition[] {
  const parser = new Parser(text);
  const definitions: Definition[] = [];
  while (parser.token.type !== 'eof') definitions.push(parser.definition());
  return definitions;
}

export class Parser {
  readonly lexer: Lexer;
  readonly #terms: Terms;
  token: Token;
  #depth = 0;

  constructor(text: string) {
    this.lexer = new Lexer(text);
    this.token = this.lexer.at(0);
    this.#terms = new Terms(this);
  }

  /** Goes on to the next token, from `position` where that is not behind this one. */
  advance(position = this.token.end): Token {
    const passed = this.token;
    this.token = this.lexer.at(position);
    return passed;
  }

  take(type: string): boolean {
    if (this.token.type !== type) return false;
    this.advance();
    return true;
  }

  /** Where two signs were read as one: takes the first of them. */
  takeHalf(both: string, rest: string): boolean {
    if (this.token.type !== both) return false;
    this.token = { ...this.token, type: rest, text: rest, start: this.token.end - rest.length };
    return true;
  }

  expect(type: string): Token {
    if (this.token.type !== type) throw this.unexpected(type === 'eof' ? 'the end' : type);
    return type === 'eof' ? this.token : this.advance();
  }

  unexpected(wanted: string): JqSyntaxError {
    const { type, text, start } = this.token;
    const found = type === 'eof' ? 'the end' : JSON.stringify(text);
    return new JqSyntaxError(`${wanted} expected, but there is ${found} at ${this.lexer.place(start)}`);
  }

  /** A whole program; without commas where they would end it (in an object). */
  pipe(commas = true): Ast {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw new JqSyntaxError(`more than ${DEPTH_MAX} programs in each other`);
    try {
      return this.#pipe(commas);
    } finally {
      this.#depth -= 1;
    }
  }

  #pipe(commas: boolean): Ast {
    if (this.token.type === 'def') {
      const definition = this.definition();
      return { kind: 'define', definition, body: this.pipe(commas) };
    }
    if (this.token.type === 'label') {
      this.advance();
      const name = this.variable();
      this.expect('|');
      return { kind: 'label', name, body: this.pipe(commas) };
    }
    let first = this.binary(0);
    while (commas && this.take(',')) first = { kind: 'comma', first, second: this.binary(0) };
    return this.take('|') ? { kind: 'pipe', first, second: this.pipe(commas) } : first;
  }

  /** Operators that bind more than `level`. */
  binary(level: number): Ast {
    let left = this.#unary();
    for (;;) {
      const operator = this.token.type;
      const [strength, side] = BINARY[operator] ?? [0, 'left'];
      if (strength <= level) return left;
      this.advance();
      const right = this.binary(side === 'right' ? strength - 1 : strength);
      left =
        strength === ASSIGN_LEVEL
          ? { kind: 'assign', operator: operator as AssignOperator, target: left, value: right }
          : { kind: 'binary', operator: operator as BinaryOperator, left, right };
      if (side === 'none' && BINARY[this.token.type]?.[0] === strength) throw this.unexpected('one operator');
    }
  }

  #unary(): Ast {
    // Definitions and labels may stand where a term may, and take all that follows.
    if (this.token.type === 'def' || this.token.type === 'label') return this.pipe();
    if (this.token.type === '-') {
      this.#depth += 1;
      if (this.#depth > DEPTH_MAX) throw new JqSyntaxError(`more than ${DEPTH_MAX} programs in each other`);
      this.advance();
      const of = this.#unary();
      this.#depth -= 1;
      return { kind: 'negate', of };
    }
    const term = this.#terms.postfix();
    return this.token.type === 'as' ? this.#bind(term) : term;
  }

  #bind(source: Ast): Ast {
    this.expect('as');
    const patterns = [this.pattern()];
    while (this.take('?//')) patterns.push(this.pattern());
    this.expect('|');
    return { kind: 'bind', source, patterns, body: this.pipe() };
  }

  pattern(): Pattern {
    if (this.token.type === 'variable') return { kind: 'name', name: this.variable() };
    if (this.take('[')) {
      const items = [this.pattern()];
      while (this.take(',')) items.push(this.pattern());
      this.expect(']');
      return { kind: 'list', items };
    }
    this.expect('{');
    const fields = [this.#patternField()];
    while (this.take(',')) fields.push(this.#patternField());
    this.expect('}');
    return { kind: 'fields', fields };
  }

  #patternField(): { key: Ast; name: string | undefined; pattern: Pattern | undefined } {
    if (this.token.type === 'variable') {
      const name = this.variable();
      const key: Ast = { kind: 'literal', value: name };
      return { key, name, pattern: this.take(':') ? this.pattern() : undefined };
    }
    const key = this.#terms.key();
    if (key === undefined) throw this.unexpected('a key');
    this.expect(':');
    return { key, name: undefined, pattern: this.pattern() };
  }

  definition(): Definition {
    this.expect('def');
    const name = this.#anyName();
    const parameters: string[] = [];
    if (this.take('(')) {
      do {
        parameters.push(this.token.type === 'variable' ? this.advance().text : this.#anyName());
      } while (this.take(';'));
      this.expect(')');
    }
    this.expect(':');
    const body = this.pipe();
    this.expect(';');
    return { name, parameters, body };
  }

  #anyName(): string {
    if (this.token.type !== 'name' && !KEYWORDS.has(this.token.type)) throw this.unexpected('a name');
    return this.advance().text;
  }

  /** The name of a variable, without its sign. */
  variable(): string {
    return this.expect('variable').text.slice(1);
  }
}
