/**
 * Whether a workflow document is one: its text, its schema, and then what a schema cannot say (`references.ts`,
 * `expressions.ts`). Problems name the path they are at, as a JSON pointer. Called when a workflow is declared and by the
 * command line.
 */
import { DEFAULT_LIMITS, type Limits, SluiceError } from '#kernel';
import type { WorkflowDocument } from './document.ts';
import { checkSize, readDocument } from './read.ts';
import { schemaProblems } from './schema/document.ts';
import { TaskWalk } from './walk.ts';

export interface Problem {
  /** A JSON pointer; empty: the whole document. */
  readonly path: string;
  readonly message: string;
}

/** Problems that one error tells. */
const TOLD_MAX = 5;

/** A document of text (YAML or JSON), or already parsed. @throws WORKFLOW_INVALID with `problems` */
export function validateDefinition(source: unknown, limits: Limits = DEFAULT_LIMITS): WorkflowDocument {
  const document = typeof source === 'string' ? readDocument(source, limits) : source;
  if (typeof source !== 'string') checkSize(document, limits);
  const problems = problemsOf(document, limits);
  if (problems.length === 0) return document as WorkflowDocument;
  const told = problems.slice(0, TOLD_MAX);
  const message = told.map(({ path, message: what }) => `${path || '/'}: ${what}`).join('; ');
  throw new SluiceError('WORKFLOW_INVALID', message, { problems: told.map((problem) => ({ ...problem })) });
}

function problemsOf(document: unknown, limits: Limits): readonly Problem[] {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    return [{ path: '', message: 'a workflow is an object with "document" and "do"' }];
  }
  const unfit = schemaProblems(document);
  if (unfit.length > 0) return unfit;
  return new TaskWalk(document as WorkflowDocument, limits).problems();
}
