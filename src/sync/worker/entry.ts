/**
 * A thread of sync: opens one endpoint's connection and does the work of one half of a job on it, so that records meet no other
 * thread as objects. Whatever goes wrong leaves as a coded error in which no secret is readable. Started by `../job/thread.ts`.
 */
import { parentPort } from 'node:worker_threads';
import { type Connection, type Opened, openConnection } from '#connector';
import { asSluiceError, assert, SluiceError } from '#kernel';
import { Comparison } from './comparison.ts';
import type { Answer, Call, CallName, Calls, EncodedBatch, Keep, Kept } from './protocol.ts';
import { Source } from './source.ts';
import { sweep } from './sweep.ts';
import { Target } from './target.ts';

const port = parentPort;
assert(port !== null, 'this module is the entry of a worker thread');

const keeping = new Map<number, (failure: string | null) => void>();
let keeps = 0;
let opened: Opened | undefined;
/** Of the source, beside that of the target: for comparing. */
let openedSource: Opened | undefined;
let source: Source | undefined;
let target: Target | undefined;

function connection(): Connection {
  assert(opened !== undefined, 'a call came before open');
  return opened.connection;
}

const handlers: { [Name in CallName]: (input: Calls[Name]['input']) => Promise<Calls[Name]['output']> } = {
  open: async (opening) => {
    opened = await openConnection(opening, (replaced) => keep(replaced, false));
    return null;
  },
  openSource: async (opening) => {
    openedSource = await openConnection(opening, (replaced) => keep(replaced, true));
    return null;
  },
  discover: () => connection().discover() as Promise<Calls['discover']['output']>,
  begin: async (input) => {
    source = await Source.open(connection(), input);
    return null;
  },
  page: async () => {
    assert(source !== undefined, 'a page was asked for before begin');
    return source.page();
  },
  target: async (input) => {
    target = await Target.open(opened?.connection, input);
    return null;
  },
  apply: (input) => {
    assert(target !== undefined, 'apply came before target');
    return target.apply(input);
  },
  sweep: (input) => {
    assert(target !== undefined, 'sweep came before target');
    return sweep(connection(), target, input);
  },
  compare: (input) => {
    assert(target !== undefined && openedSource !== undefined, 'compare came before target or openSource');
    return Comparison.run(openedSource.connection, target, input);
  },
  lookup: async ({ stream, fields, keys }) => {
    const found = await connection().lookup?.(stream, fields, keys);
    if (found === undefined) throw new SluiceError('ENDPOINT_UNSUPPORTED', 'the connector cannot look records up');
    return found;
  },
  forget: async ({ consumer }) => {
    await connection().forget?.(consumer);
    return null;
  },
  close: async () => {
    await source?.close();
    await Promise.all([opened?.connection.close(), openedSource?.connection.close()]);
    return null;
  },
};

async function answer({ id, name, input }: Call): Promise<Answer> {
  try {
    const value = await (handlers[name] as (given: unknown) => Promise<unknown>)(input);
    return { id, ok: true, value };
  } catch (error) {
    const coded = asSluiceError(error);
    // An error that a connector gives no code for is the system's.
    const code = coded.code === 'INTERNAL' && opened !== undefined ? 'ENDPOINT_FAILED' : coded.code;
    const message = [opened, openedSource].reduce((text, one) => one?.hide(text) ?? text, coded.message);
    return { id, ok: false, code, message, details: coded.details };
  }
}

/** @throws what is wrong with keeping it */
async function keep(replaced: Keep['replaced'], ofSource: boolean): Promise<void> {
  const id = ++keeps;
  const answered = new Promise<string | null>((resolve) => keeping.set(id, resolve));
  port?.postMessage({ keep: id, source: ofSource, replaced } satisfies Keep);
  const failure = await answered;
  if (failure !== null) throw new SluiceError('ENDPOINT_FAILED', `what the system replaced was not kept: ${failure}`);
}

port.on('message', (call: Call | Kept) => {
  if ('kept' in call) {
    keeping.get(call.kept)?.(call.failure);
    keeping.delete(call.kept);
    return;
  }
  void answer(call).then((reply) => port.postMessage(reply, buffersOf(reply)));
});

/** Batches are handed over, not copied. */
function buffersOf(reply: Answer): ArrayBuffer[] {
  const { batches } = (reply.ok ? (reply.value ?? {}) : {}) as { batches?: readonly EncodedBatch[] };
  return batches?.map(({ batch }) => batch.buffer as ArrayBuffer) ?? [];
}
