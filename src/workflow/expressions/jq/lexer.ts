/**
 * Tokens of a jq program, one at a time: text with `\( )` in it is read by the parser, which calls back for the program
 * inside, so that there is one place that knows where such a program ends.
 */
import { JqSyntaxError } from './syntax.ts';

export interface Token {
  /** `name`, `field` (`.name`), `variable`, `format`, `number`, `quote`, `eof`, or the sign or keyword itself. */
  readonly type: string;
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export const KEYWORDS: ReadonlySet<string> = new Set(
  'def if then elif else end as reduce foreach try catch label import include and or __loc__'.split(' '),
);

const SPACE = /(?:[ \t\r\n]|#[^\n]*)+/y;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const NAME = /(?:[A-Za-z_]\w*::)*[A-Za-z_]\w*/y;
const FIELD = /\.[A-Za-z_]\w*/y;
const VARIABLE = /\$(?:[A-Za-z_]\w*::)*[A-Za-z_]\w*/y;
const FORMAT = /@\w+/y;
const SIGN = /\?\/\/|\/\/=|\|=|\+=|-=|\*=|\/=|%=|==|!=|<=|>=|\/\/|\.\.|[.[\]{}()|,:;=<>+\-*/%?]/y;

export class Lexer {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The token at or after `position`. */
  at(position: number): Token {
    const start = position + (this.#match(SPACE, position)?.length ?? 0);
    if (start >= this.#text.length) return { type: 'eof', text: '', start, end: start };
    const found = (type: string, text: string): Token => ({ type, text, start, end: start + text.length });
    if (this.#text[start] === '"') return found('quote', '"');
    const number = this.#match(NUMBER, start);
    if (number !== undefined) return found('number', number);
    const field = this.#match(FIELD, start);
    if (field !== undefined) return found('field', field);
    const name = this.#match(NAME, start);
    if (name !== undefined) return found(KEYWORDS.has(name) ? name : 'name', name);
    const variable = this.#match(VARIABLE, start);
    if (variable !== undefined) return found('variable', variable);
    const format = this.#match(FORMAT, start);
    if (format !== undefined) return found('format', format);
    const sign = this.#match(SIGN, start);
    if (sign !== undefined) return found(sign, sign);
    throw new JqSyntaxError(`unexpected ${JSON.stringify(this.#text[start])} at ${this.place(start)}`);
  }

  /**
   * A piece of text from `position`, which is behind the quote or behind a program in it: its value, and where it stopped,
   * which is behind the closing quote, or behind `\(`.
   */
  piece(position: number): { value: string; end: number; closed: boolean } {
    let value = '';
    for (let at = position; ; ) {
      const sign = this.#text[at];
      if (sign === undefined) throw new JqSyntaxError(`the text from ${this.place(position)} does not end`);
      if (sign === '"') return { value, end: at + 1, closed: true };
      if (sign !== '\\') {
        value += sign;
        at += 1;
        continue;
      }
      const escaped = this.#text[at + 1] ?? '';
      if (escaped === '(') return { value, end: at + 2, closed: false };
      if (escaped === 'u') {
        const digits = this.#text.slice(at + 2, at + 6);
        if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new JqSyntaxError(`a bad \\u at ${this.place(at)}`);
        value += String.fromCharCode(Number.parseInt(digits, 16));
        at += 6;
        continue;
      }
      const plain = ESCAPES[escaped];
      if (plain === undefined) throw new JqSyntaxError(`a bad escape at ${this.place(at)}`);
      value += plain;
      at += 2;
    }
  }

  /** A place for people. */
  place(position: number): string {
    return `character ${position + 1}`;
  }

  lineOf(position: number): number {
    return this.#text.slice(0, position).split('\n').length;
  }

  #match(pattern: RegExp, position: number): string | undefined {
    pattern.lastIndex = position;
    return pattern.exec(this.#text)?.[0];
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
