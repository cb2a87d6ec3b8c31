/** The syntax tree of a jq program, as `parser.ts` makes it and `compile.ts` reads it. */

export type Ast =
  | { readonly kind: 'identity' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  /** Text with programs in it, their results put in by `format`. */
  | { readonly kind: 'string'; readonly format: string; readonly parts: readonly (string | Ast)[] }
  | { readonly kind: 'format'; readonly name: string }
  | { readonly kind: 'index'; readonly of: Ast; readonly key: Ast }
  | { readonly kind: 'slice'; readonly of: Ast; readonly from: Ast | undefined; readonly to: Ast | undefined }
  | { readonly kind: 'each'; readonly of: Ast }
  | { readonly kind: 'pipe'; readonly first: Ast; readonly second: Ast }
  | { readonly kind: 'comma'; readonly first: Ast; readonly second: Ast }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Ast; readonly right: Ast }
  | { readonly kind: 'assign'; readonly operator: AssignOperator; readonly target: Ast; readonly value: Ast }
  | { readonly kind: 'negate'; readonly of: Ast }
  | { readonly kind: 'array'; readonly of: Ast | undefined }
  | { readonly kind: 'object'; readonly members: readonly Member[] }
  | { readonly kind: 'if'; readonly condition: Ast; readonly then: Ast; readonly otherwise: Ast | undefined }
  | { readonly kind: 'try'; readonly body: Ast; readonly handler: Ast | undefined }
  | {
      readonly kind: 'reduce';
      readonly source: Ast;
      readonly pattern: Pattern;
      readonly start: Ast;
      readonly update: Ast;
    }
  | {
      readonly kind: 'foreach';
      readonly source: Ast;
      readonly pattern: Pattern;
      readonly start: Ast;
      readonly update: Ast;
      readonly extract: Ast | undefined;
    }
  | { readonly kind: 'bind'; readonly source: Ast; readonly patterns: readonly Pattern[]; readonly body: Ast }
  | { readonly kind: 'define'; readonly definition: Definition; readonly body: Ast }
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Ast[] }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'location'; readonly line: number }
  | { readonly kind: 'label'; readonly name: string; readonly body: Ast }
  | { readonly kind: 'break'; readonly name: string };

export type Kind<K extends Ast['kind']> = Extract<Ast, { kind: K }>;

export type BinaryOperator = '+' | '-' | '*' | '/' | '%' | '==' | '!=' | '<' | '<=' | '>' | '>=' | 'and' | 'or' | '//';

export type AssignOperator = '=' | '|=' | '+=' | '-=' | '*=' | '/=' | '%=' | '//=';

export interface Member {
  readonly key: Ast;
  /** Of `$name`, `name` and `"text"` alone: what stands under the key is found by it. */
  readonly value: Ast;
}

/** What `as` takes a value apart by. */
export type Pattern =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list'; readonly items: readonly Pattern[] }
  | { readonly kind: 'fields'; readonly fields: readonly PatternField[] };

export interface PatternField {
  readonly key: Ast;
  /** Of `$name: …`: the variable that has the value as well. */
  readonly name: string | undefined;
  readonly pattern: Pattern | undefined;
}

export interface Definition {
  readonly name: string;
  /** `$name` for a parameter that is a value. */
  readonly parameters: readonly string[];
  readonly body: Ast;
}

/** The program is not jq. */
export class JqSyntaxError extends Error {
  override readonly name = 'JqSyntaxError';
}
