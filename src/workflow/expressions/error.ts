/** What is wrong with an expression, or went wrong in it: for the author of the document. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}
