/**
 * Commands of the shell, for servers whose operator allows them (`SLUICE_WORKFLOW_SHELL=1`): what a workflow declares then runs
 * as the user of the server. Called by the effect runner.
 */
import { spawn } from 'node:child_process';
import type { OtherRequest } from '../engine/effect.ts';
import { Fault, problem } from '../engine/fault.ts';
import { outputOf, type Returns } from './process-output.ts';
import type { Doer } from './runner.ts';

interface Work {
  readonly command: string;
  readonly arguments?: Readonly<Record<string, unknown>> | readonly unknown[];
  readonly environment?: Readonly<Record<string, unknown>>;
  readonly stdin?: string;
  readonly returns: Returns;
}

const FAILED_CHARS = 500;

export function shellDoer(allowed: boolean, outputBytesMax: number): Doer<OtherRequest> {
  return (request, { signal }) => {
    if (!allowed) throw new Fault(problem('authorization', 403, 'this server does not allow commands of the shell'));
    const { command, arguments: given = [], environment = {}, stdin = '', returns } = request.work as Work;
    const pairs = Object.entries(environment).map(([name, value]) => [name, String(value)]);
    const env = { PATH: process.env['PATH'] ?? '', ...(Object.fromEntries(pairs) as Record<string, string>) };
    return new Promise((resolve, reject) => {
      const child = spawn('/bin/sh', ['-c', `${command} "$@"`, 'sh', ...argumentsOf(given)], { env, signal });
      const texts = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const) {
        child[name].on('data', (data: Buffer) => {
          texts[name] += data.toString();
          if (texts[name].length > outputBytesMax) child.kill('SIGKILL');
        });
      }
      child.stdin.on('error', () => undefined);
      child.stdin.end(stdin);
      child.once('error', reject);
      child.once('close', (code) => {
        const output = { code: code ?? -1, ...texts };
        if (code === 0 || returns === 'code' || returns === 'all') resolve(outputOf(output, returns));
        else
          reject(new Fault(problem('runtime', 500, `it ended with ${code}: ${texts.stderr.slice(0, FAILED_CHARS)}`)));
      });
    });
  };
}

function argumentsOf(given: Work['arguments'] & object): string[] {
  if (Array.isArray(given)) return given.map(String);
  return Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)]);
}
