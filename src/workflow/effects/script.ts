/**
 * Scripts of workflows: each in a thread of its own with little memory and a time limit, in a context that has the language
 * and nothing else: no modules, no process, no network, no timers; what goes in and comes out is text. It keeps mistakes in, and
 * what is written by people who may declare workflows; it is no wall against code of strangers. Called by the effect runner.
 */
import { Worker } from 'node:worker_threads';
import type { OtherRequest } from '../engine/effect.ts';
import { Fault, problem } from '../engine/fault.ts';
import { outputOf, type ProcessOutput, type Returns } from './process-output.ts';
import type { Doer } from './runner.ts';

export interface ScriptLimits {
  readonly heapMib: number;
  readonly ms: number;
  readonly outputBytesMax: number;
}

interface Work {
  readonly code?: string;
  readonly arguments?: Readonly<Record<string, unknown>> | readonly unknown[];
  readonly environment?: Readonly<Record<string, unknown>>;
  readonly stdin?: string;
  readonly returns: Returns;
}

const ENTRY = new URL('./script-entry.js', import.meta.url);

export function scriptDoer({ heapMib, ms, outputBytesMax }: ScriptLimits): Doer<OtherRequest> {
  return (request, { signal }) => {
    const { code = '', arguments: given = {}, environment = {}, stdin = '', returns } = request.work as Work;
    const workerData = {
      code,
      given: JSON.stringify(given),
      environment: JSON.stringify(environment),
      stdin,
      outputBytesMax,
    };
    return new Promise((resolve, reject) => {
      const worker = new Worker(ENTRY, {
        workerData,
        env: {},
        stdin: false,
        stdout: true,
        stderr: true,
        resourceLimits: {
          maxOldGenerationSizeMb: heapMib,
          maxYoungGenerationSizeMb: Math.ceil(heapMib / 4),
          stackSizeMb: 2,
        },
      });
      const end = (settle: () => void) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        settle();
        void worker.terminate();
      };
      const fail = (status: number, name: 'timeout' | 'runtime', why: string) =>
        end(() => reject(new Fault(problem(name, status, why))));
      const abort = () => end(() => reject(signal.reason as Error));
      const timer = setTimeout(() => fail(408, 'timeout', `the script took more than ${ms} ms`), ms);
      signal.addEventListener('abort', abort);
      worker.once('message', (output: ProcessOutput & { error?: string }) => {
        if (output.error !== undefined) fail(500, 'runtime', output.error);
        else end(() => resolve(outputOf(output, returns)));
      });
      worker.once('error', (error) => {
        const memory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
        fail(500, 'runtime', memory ? `the script took more than ${heapMib} MiB` : error.message);
      });
      worker.once('exit', () => fail(500, 'runtime', 'the script ended its thread'));
    });
  };
}
