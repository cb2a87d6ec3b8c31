/** What the engine asks of a language of expressions. Implemented in `../expressions`. */
export type ExpressionLanguage = 'jq' | 'jsonata';

export interface CompiledExpression {
  /** @throws whatever the expression fails with */
  evaluate(input: unknown, variables: Readonly<Record<string, unknown>>): unknown;
}
