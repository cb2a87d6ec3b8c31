/**
 * What of JSONata is looked at before the library may run it. `$eval` is refused: text in data must not become an
 * expression. Time, depth and size are bounded where it runs, on a thread that can be ended (`library-entry.ts`).
 */
import { createRequire } from 'node:module';
import type jsonata from 'jsonata';
import { ExpressionError } from './error.ts';

const require = createRequire(import.meta.url);

/** @throws ExpressionError */
export function checkJsonata(text: string): void {
  const waiting: unknown[] = [syntaxTree(text)];
  const seen = new Set<unknown>();
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (typeof node !== 'object' || node === null || seen.has(node)) continue;
    seen.add(node);
    const { type, value } = node as { type?: unknown; value?: unknown };
    if (type === 'variable' && value === 'eval') throw new ExpressionError('$eval is not available in a workflow');
    waiting.push(...Object.values(node));
  }
}

function syntaxTree(text: string): unknown {
  // Loaded with the first expression of the language: most documents have none.
  const parse = require('jsonata') as typeof jsonata;
  try {
    return parse(text).ast();
  } catch (error) {
    throw new ExpressionError((error as { message?: string }).message ?? String(error));
  }
}
