/** What a script or a command has given, and what of it is the output of the task. */

export type Returns = 'stdout' | 'stderr' | 'code' | 'all' | 'none';

export interface ProcessOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** JSON of what a script has returned; absent: nothing. */
  readonly value?: string;
}

/** A value that a script returns goes before what it has printed. */
export function outputOf({ code, stdout, stderr, value }: ProcessOutput, returns: Returns): unknown {
  if (returns === 'none') return null;
  if (returns === 'code') return code;
  if (returns === 'stderr') return stderr;
  const printed = value === undefined ? stdout : (JSON.parse(value) as unknown);
  return returns === 'all' ? { code, stdout, stderr, ...(value === undefined ? {} : { value: printed }) } : printed;
}
