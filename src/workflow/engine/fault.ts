/** The error of a task while it travels up: thrown by whatever fails, caught by the run, matched by `try`. */
import type { Problem } from './model.ts';

/** The standard's own types; prefixes differ between its editions, so errors are compared by what follows the last slash. */
export type ErrorName =
  | 'configuration'
  | 'validation'
  | 'expression'
  | 'authentication'
  | 'authorization'
  | 'timeout'
  | 'communication'
  | 'runtime';

const PREFIX = 'https://serverlessworkflow.io/spec/1.0.0/errors/';

const TITLES: Record<ErrorName, string> = {
  configuration: 'The workflow cannot be run as it is configured',
  validation: 'Data does not fit its schema',
  expression: 'An expression failed',
  authentication: 'The credentials were refused',
  authorization: 'This is not allowed',
  timeout: 'It took too long',
  communication: 'A service could not be reached, or answered with an error',
  runtime: 'It failed while it ran',
};

export class Fault extends Error {
  readonly problem: Problem;

  constructor(of: Problem) {
    super(of.detail ?? of.title ?? of.type);
    this.name = 'Fault';
    this.problem = of;
  }
}

export function problem(name: ErrorName, status: number, detail?: string): Problem {
  return { type: PREFIX + name, status, title: TITLES[name], ...(detail === undefined ? {} : { detail }) };
}

/** The last part of a type's URI. */
export function typeName(type: string): string {
  return type.slice(type.lastIndexOf('/') + 1);
}

/** What was thrown, as the error of the task at `pointer`. */
export function problemOf(error: unknown, pointer: string): Problem {
  const found =
    error instanceof Fault
      ? error.problem
      : problem('runtime', 500, error instanceof Error ? error.message : String(error));
  return found.instance === undefined ? { ...found, instance: pointer } : found;
}
