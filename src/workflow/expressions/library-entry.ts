/** The thread of the libraries: runs jq and JSONata as it is asked, one at a time. Started by `library.ts`. */
import { type MessagePort, workerData } from 'node:worker_threads';
import makeJq from 'jq-wasm/dist/build/jq.js';
import jsonata from 'jsonata';
import type { LibraryAnswer, LibraryRequest, LibrarySetup } from './library-request.ts';

/** The library's own door has no way to give variables, and keeps an instance that has come to its end. */
interface Jq {
  raw(input: string, program: string, flags: readonly string[]): Promise<string>;
}

/** It reads and writes byte by byte, copying all that is left each time. */
const TEXT_MAX = 65_536;
const { port, signal: shared } = workerData as LibrarySetup & { port: MessagePort };
const signal = new Int32Array(shared);
const open = makeJq as unknown as () => Promise<Jq>;
let jq: Promise<Jq> = open();

/** Whatever the program gives as one value: all of its values, or its error. */
const wrapped = (program: string): string => `try ([(${program}\n)] | {values: .}) catch {error: .}`;

async function runJq({ text, input, variables }: LibraryRequest): Promise<unknown> {
  const given = JSON.stringify(input ?? null);
  const flags = Object.entries(variables).flatMap(([name, value]) => [
    '--argjson',
    name,
    JSON.stringify(value ?? null),
  ]);
  if ([given, ...flags].some((part) => part.length > TEXT_MAX)) {
    throw new Error(`this expression needs the library of jq, which is given at most ${TEXT_MAX} bytes`);
  }
  let output: string;
  try {
    output = await (await jq).raw(given, wrapped(text), ['-c', ...flags]);
  } catch (error) {
    jq = open();
    throw error;
  }
  if (output.length > TEXT_MAX * 16) throw new Error('the expression makes too much');
  const { values, error } = JSON.parse(output) as { values?: unknown[]; error?: unknown };
  if (values === undefined)
    throw new Error(typeof error === 'string' ? error : `${JSON.stringify(error)} (not a string)`);
  return values.length === 1 ? values[0] : values.length === 0 ? null : values;
}

async function runJsonata({ text, input, variables, ms, depthMax, itemsMax }: LibraryRequest): Promise<unknown> {
  const value = await jsonata(text, { timeout: ms, stack: depthMax, sequence: itemsMax }).evaluate(input, {
    ...variables,
  });
  // Lists of the library have marks on them, and a function is no value.
  const plain: unknown = value === undefined ? null : JSON.parse(JSON.stringify(value) ?? 'null');
  return plain;
}

async function answer(request: LibraryRequest): Promise<LibraryAnswer> {
  const { id, language } = request;
  try {
    return { id, value: await (language === 'jq' ? runJq(request) : runJsonata(request)) };
  } catch (error) {
    return { id, error: (error as { message?: string }).message ?? String(error) };
  }
}

port.on('message', (request: LibraryRequest) => {
  void answer(request).then((message) => {
    port.postMessage(message);
    Atomics.store(signal, 0, request.id);
    Atomics.notify(signal, 0);
  });
});

await jq;
Atomics.store(signal, 0, 1);
Atomics.notify(signal, 0);
