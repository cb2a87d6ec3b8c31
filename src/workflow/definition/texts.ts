/** Expressions in a document: found, compiled, and held to the variables that are known where they stand. */
import type { Limits } from '#kernel';
import { compileExpression } from '../expressions/compile.ts';
import { ExpressionError } from '../expressions/error.ts';
import type { ExpressionLanguage } from './document.ts';

/** Text that is an expression: `${ … }` and nothing around it. */
const WHOLE = /^\s*\$\{([\s\S]*)\}\s*$/;
/** Fields whose content is not the document's own: schemas, and what is for people. */
const OPAQUE: ReadonlySet<string> = new Set(['schema', 'metadata', 'form', 'tags']);

export type Report = (path: string, message: string) => void;

export class Texts {
  readonly #language: ExpressionLanguage;
  readonly #limits: Limits;
  readonly #report: Report;

  constructor(language: ExpressionLanguage, limits: Limits, report: Report) {
    this.#language = language;
    this.#limits = limits;
    this.#report = report;
  }

  /** A field that is an expression with or without `${ }`; anything but text is looked into. */
  expression(value: unknown, path: string, known: ReadonlySet<string>): void {
    if (typeof value === 'string') this.#compile(WHOLE.exec(value)?.[1] ?? value, path, known);
    else this.template(value, path, known);
  }

  /** Any value: text in `${ }` in it is compiled. */
  template(value: unknown, path: string, known: ReadonlySet<string>): void {
    if (typeof value === 'string') {
      const inner = WHOLE.exec(value)?.[1];
      if (inner !== undefined) this.#compile(inner, path, known);
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    for (const [name, part] of Object.entries(value)) {
      if (!OPAQUE.has(name)) this.template(part, `${path}/${escaped(name)}`, known);
    }
  }

  #compile(text: string, path: string, known: ReadonlySet<string>): void {
    try {
      const { variables } = compileExpression(text.trim(), this.#language, { limits: this.#limits });
      for (const name of variables) {
        if (!known.has(name)) this.#report(path, `$${name} is not known here`);
      }
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      this.#report(path, `the expression does not compile: ${error.message}`);
    }
  }
}

/** A name as a part of a JSON pointer. */
export function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
