/**
 * The libraries of the languages, on a thread that is asked and waited for. They cannot be stopped from within (jq is
 * WebAssembly and neither gives way), so the thread is ended when it takes too long, and another is started. Called by
 * `compile.ts` for what closures leave out.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { Limits } from '#kernel';
import { ExpressionError } from './error.ts';
import type { LibraryAnswer, LibraryRequest, LibrarySetup } from './library-request.ts';

// On the sources the built thread is asked, since a thread of Node 20 does not read TypeScript.
const ENTRY = import.meta.url.endsWith('.ts')
  ? new URL('../../../dist/src/workflow/expressions/library-entry.js', import.meta.url)
  : new URL('./library-entry.js', import.meta.url);
/** From starting the thread to both libraries being there. */
const START_MS = 15_000;
const HEAP_MIB = 256;
const READY = 1;

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly signal: Int32Array;
  ready: boolean;
}

export type Asked = Pick<LibraryRequest, 'language' | 'text' | 'input' | 'variables'>;

class Library {
  #thread: Thread | undefined;
  #nextId = READY + 1;

  /** So that the first evaluation does not wait for the start. */
  start(): void {
    this.#thread ??= begin();
  }

  /** @throws ExpressionError */
  evaluate(asked: Asked, limits: Limits): unknown {
    this.#thread ??= begin();
    const thread = this.#thread;
    if (!thread.ready && !awaited(thread, 0, START_MS)) this.#end(thread, 'the libraries of expressions do not start');
    thread.ready = true;
    const id = this.#nextId++;
    const before = Atomics.load(thread.signal, 0);
    const bounds = {
      ms: limits.workflowExpressionMs,
      depthMax: limits.expressionDepthMax,
      itemsMax: limits.expressionItemsMax,
    };
    post(thread.port, { id, ...asked, ...bounds });
    // A little longer than the library may take, so that its own message comes through.
    if (!awaited(thread, before, limits.workflowExpressionMs * 2)) this.#end(thread, 'the expression takes too long');
    const answer = receiveMessageOnPort(thread.port)?.message as LibraryAnswer | undefined;
    if (answer === undefined || answer.id !== id) this.#end(thread, 'the thread of the expression ended');
    if (answer.error !== undefined) throw new ExpressionError(answer.error);
    return answer.value;
  }

  #end({ worker, port }: Thread, why: string): never {
    this.#thread = undefined;
    port.close();
    void worker.terminate();
    throw new ExpressionError(why);
  }
}

export const library = new Library();

function begin(): Thread {
  const { port1, port2 } = new MessageChannel();
  const setup: LibrarySetup = { signal: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT) };
  const worker = new Worker(ENTRY, {
    workerData: { ...setup, port: port2 },
    transferList: [port2],
    env: {},
    name: 'expressions',
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
    // What a library prints must not become part of what the process prints.
    stdout: true,
    stderr: true,
  });
  worker.stdout.resume();
  worker.stderr.resume();
  // Told by the wait that ends without an answer.
  worker.on('error', () => {});
  worker.unref();
  return { worker, port: port1, signal: new Int32Array(setup.signal), ready: false };
}

function awaited({ signal }: Thread, before: number, ms: number): boolean {
  return Atomics.wait(signal, 0, before, ms) !== 'timed-out';
}

function post(port: MessagePort, request: LibraryRequest): void {
  try {
    port.postMessage(request);
  } catch (error) {
    throw new ExpressionError(`the input cannot be handed over: ${(error as Error).message}`);
  }
}
