/** Exit codes that scripts can use, and the way an error is shown. */
import { asSluiceError, type ErrorCode, toProblem } from '#kernel';

export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, unauthorized: 4, interrupted: 130 } as const;

const CODES: Partial<Record<ErrorCode, number>> = {
  CONNECTION_LOST: EXIT.unreachable,
  UNAUTHENTICATED: EXIT.unauthorized,
  FORBIDDEN: EXIT.unauthorized,
};

/** Prints the error to stderr, as JSON where that was asked for, and returns the exit code. */
export function reportError(thrown: unknown, json: boolean): number {
  const error = asSluiceError(thrown);
  const problem = { ...toProblem(error), detail: error.message };
  process.stderr.write(json ? `${JSON.stringify(problem)}\n` : `sluice: ${error.message} (${error.code})\n`);
  return CODES[error.code] ?? EXIT.failed;
}
