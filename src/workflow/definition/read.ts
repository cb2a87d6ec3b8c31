/**
 * The text of a document, YAML or JSON, to a value: bounded in bytes, levels and what aliases may make of it, with the line
 * where it is not well formed. Called by `validate.ts` and by the importers.
 */
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import { type Limits, SluiceError } from '#kernel';

const require = createRequire(import.meta.url);
/** Aliases in all, over the whole text: a document has no use for more. */
const ALIASES_MAX = 100;

/** @throws WORKFLOW_INVALID */
export function readDocument(text: string, limits: Limits): unknown {
  if (Buffer.byteLength(text) > limits.workflowDocumentBytesMax) {
    throw invalid(`a document has at most ${limits.workflowDocumentBytesMax} bytes`);
  }
  const value = text.trimStart().startsWith('{') ? (parseJson(text) ?? parseYaml(text)) : parseYaml(text);
  checkSize(value, limits);
  return value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A flow mapping of YAML begins with the same sign.
    return undefined;
  }
}

function parseYaml(text: string): unknown {
  try {
    // Loaded with the first such text: what is declared over HTTP is JSON.
    const { parseDocument } = require('yaml') as typeof Yaml;
    const parsed = parseDocument(text, { uniqueKeys: true, merge: false });
    const [error] = parsed.errors;
    if (error !== undefined) throw invalid(error.message.split('\n')[0] ?? 'the document cannot be parsed');
    return parsed.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw invalid((error as Error).message);
  }
}

/** Levels and parts of a value, which may also have come as a value. @throws WORKFLOW_INVALID */
export function checkSize(value: unknown, limits: Limits): void {
  let parts = 0;
  const visit = (part: unknown, level: number): void => {
    parts += 1;
    if (level > limits.workflowLevelsMax) throw invalid(`a document has at most ${limits.workflowLevelsMax} levels`);
    if (parts > limits.workflowPartsMax) throw invalid(`a document has at most ${limits.workflowPartsMax} parts`);
    if (typeof part !== 'object' || part === null) return;
    for (const inner of Object.values(part)) visit(inner, level + 1);
  };
  visit(value, 0);
}

function invalid(message: string): SluiceError {
  return new SluiceError('WORKFLOW_INVALID', message);
}
