/** The terms of jq and their suffixes: the part of the parser that reads what stands between operators. */
import { KEYWORDS } from './lexer.ts';
import type { Parser } from './parser.ts';
import type { Ast, Member } from './syntax.ts';

const IDENTITY: Ast = { kind: 'identity' };

export class Terms {
  readonly #parser: Parser;

  constructor(parser: Parser) {
    this.#parser = parser;
  }

  /** A term with all its suffixes. */
  postfix(): Ast {
    const parser = this.#parser;
    let term = this.#term();
    for (;;) {
      if (parser.token.type === 'field') {
        term = { kind: 'index', of: term, key: literal(parser.advance().text.slice(1)) };
      } else if (parser.token.type === '.') {
        parser.advance();
        term = this.#afterDot(term);
      } else if (parser.token.type === '[') term = this.#brackets(term);
      else if (parser.take('?') || parser.takeHalf('?//', '//')) term = { kind: 'try', body: term, handler: undefined };
      else return term;
    }
  }

  #afterDot(of: Ast): Ast {
    if (this.#parser.token.type === 'quote') return { kind: 'index', of, key: this.#text('text') };
    if (this.#parser.token.type === '[') return this.#brackets(of);
    throw this.#parser.unexpected('a field');
  }

  #brackets(of: Ast): Ast {
    const parser = this.#parser;
    parser.expect('[');
    if (parser.take(']')) return { kind: 'each', of };
    if (parser.take(':')) {
      const to = parser.pipe();
      parser.expect(']');
      return { kind: 'slice', of, from: undefined, to };
    }
    const from = parser.pipe();
    if (parser.take(']')) return { kind: 'index', of, key: from };
    parser.expect(':');
    const to = parser.token.type === ']' ? undefined : parser.pipe();
    parser.expect(']');
    return { kind: 'slice', of, from, to };
  }

  #term(): Ast {
    const parser = this.#parser;
    const { type, text, start } = parser.token;
    switch (type) {
      case '.':
        return this.#dot();
      case '..':
        parser.advance();
        return { kind: 'call', name: 'recurse', arguments: [] };
      case 'field':
        parser.advance();
        return { kind: 'index', of: IDENTITY, key: literal(text.slice(1)) };
      case 'number':
        parser.advance();
        return literal(finite(Number(text)));
      case 'quote':
        return this.#text('text');
      case 'format':
        return this.#format();
      case 'variable':
        parser.advance();
        return text === '$__loc__'
          ? { kind: 'location', line: parser.lexer.lineOf(start) }
          : { kind: 'variable', name: text.slice(1) };
      case '(': {
        parser.advance();
        const inner = parser.pipe();
        parser.expect(')');
        return inner;
      }
      case '[':
        return this.#array();
      case '{':
        return this.#object();
      case 'name':
        return this.#call();
      default:
        return this.#keyword(type);
    }
  }

  #dot(): Ast {
    const parser = this.#parser;
    parser.advance();
    if (parser.token.type === 'quote') return { kind: 'index', of: IDENTITY, key: this.#text('text') };
    return IDENTITY;
  }

  #keyword(type: string): Ast {
    const parser = this.#parser;
    switch (type) {
      case 'if':
        parser.advance();
        return this.#if();
      case 'try': {
        parser.advance();
        const body: Ast = parser.take('-') ? { kind: 'negate', of: this.postfix() } : this.postfix();
        return { kind: 'try', body, handler: parser.take('catch') ? this.postfix() : undefined };
      }
      case 'reduce':
      case 'foreach':
        return this.#fold(type);
      default:
        throw parser.unexpected('a program');
    }
  }

  #if(): Ast {
    const parser = this.#parser;
    const condition = parser.pipe();
    parser.expect('then');
    const then = parser.pipe();
    if (parser.take('elif')) return { kind: 'if', condition, then, otherwise: this.#if() };
    const otherwise = parser.take('else') ? parser.pipe() : undefined;
    parser.expect('end');
    return { kind: 'if', condition, then, otherwise };
  }

  #fold(kind: 'reduce' | 'foreach'): Ast {
    const parser = this.#parser;
    parser.advance();
    const source = this.postfix();
    parser.expect('as');
    const pattern = parser.pattern();
    if (parser.token.type === '?//') throw parser.unexpected('(');
    parser.expect('(');
    const start = parser.pipe();
    parser.expect(';');
    const update = parser.pipe();
    const extract = kind === 'foreach' && parser.take(';') ? parser.pipe() : undefined;
    parser.expect(')');
    const fold = { source, pattern, start, update };
    return kind === 'reduce' ? { kind, ...fold } : { kind, ...fold, extract };
  }

  #call(): Ast {
    const parser = this.#parser;
    const name = parser.advance().text;
    if (name === 'break' && parser.token.type === 'variable') return { kind: 'break', name: parser.variable() };
    if (name === 'null' || name === 'true' || name === 'false') {
      if (parser.token.type !== '(') return literal(name === 'null' ? null : name === 'true');
    }
    const given: Ast[] = [];
    if (parser.take('(')) {
      do given.push(parser.pipe());
      while (parser.take(';'));
      parser.expect(')');
    }
    return { kind: 'call', name, arguments: given };
  }

  #array(): Ast {
    const parser = this.#parser;
    parser.expect('[');
    if (parser.take(']')) return { kind: 'array', of: undefined };
    const of = parser.pipe();
    parser.expect(']');
    return { kind: 'array', of };
  }

  #object(): Ast {
    const parser = this.#parser;
    parser.expect('{');
    const members: Member[] = [];
    while (parser.token.type !== '}') {
      members.push(this.#member());
      if (!parser.take(',')) break;
    }
    parser.expect('}');
    return { kind: 'object', members };
  }

  #member(): Member {
    const parser = this.#parser;
    const { type, text, start } = parser.token;
    if (type === 'variable') {
      parser.advance();
      const location = text === '$__loc__';
      if (!location && parser.take(':'))
        return { key: { kind: 'variable', name: text.slice(1) }, value: parser.pipe(false) };
      const key = literal(text.slice(1));
      return location
        ? { key, value: { kind: 'location', line: parser.lexer.lineOf(start) } }
        : { key, value: { kind: 'variable', name: text.slice(1) } };
    }
    const key = this.key();
    if (key === undefined) throw parser.unexpected('a key');
    if (parser.take(':')) return { key, value: parser.pipe(false) };
    if (type === '(') throw parser.unexpected(':');
    return { key, value: { kind: 'index', of: IDENTITY, key } };
  }

  /** A key of an object or of a pattern. */
  key(): Ast | undefined {
    const parser = this.#parser;
    const { type, text } = parser.token;
    if (type === 'name' || KEYWORDS.has(type)) {
      parser.advance();
      return literal(text);
    }
    if (type === 'number') {
      parser.advance();
      return literal(Number(text));
    }
    if (type === 'quote') return this.#text('text');
    if (type === 'format') return this.#format();
    if (!parser.take('(')) return undefined;
    const computed = parser.pipe();
    parser.expect(')');
    return computed;
  }

  #format(): Ast {
    const parser = this.#parser;
    const name = parser.advance().text.slice(1);
    return parser.token.type === 'quote' ? this.#text(name) : { kind: 'format', name };
  }

  #text(format: string): Ast {
    const parser = this.#parser;
    const parts: (string | Ast)[] = [];
    let { value, end, closed } = parser.lexer.piece(parser.token.end);
    while (!closed) {
      parser.advance(end);
      const inner = parser.pipe();
      if (parser.token.type !== ')') throw parser.unexpected(')');
      parts.push(value, inner);
      ({ value, end, closed } = parser.lexer.piece(parser.token.end));
    }
    parser.advance(end);
    if (parts.length === 0) return literal(value);
    return { kind: 'string', format, parts: [...parts, value] };
  }
}

function literal(value: string | number | boolean | null): Ast {
  return { kind: 'literal', value };
}

function finite(number: number): number {
  return Math.min(number, Number.MAX_VALUE);
}
