/**
 * The thread of one endpoint: loads the module of its connector, holds one connection, and answers calls. Whatever the connector
 * throws leaves as a coded error in which no secret is readable; what it breaks is this thread alone.
 * Started by `../thread.ts`.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { asSluiceError, assert, SluiceError } from '#kernel';
import { checkConnection, describeConnector } from '../conformance.ts';
import type { Connection, Connector, Page } from '../contract.ts';
import { checkConfig, hiding, loadConnector, registerContract } from './opening.ts';
import type { Answer, Call, CallName, Calls, Keep, Kept, OpenInput, WorkerSetup } from './protocol.ts';

const setup = workerData as WorkerSetup;
const port = parentPort;
assert(port !== null, 'this module is the entry of a worker thread');

registerContract(setup);

const reads = new Map<number, AsyncIterator<Page>>();
let loading: Promise<Connector> | undefined;
let opened: Connection | undefined;
let hide = (text: string): string => text;
const keeping = new Map<number, (answer: Kept) => void>();
let keeps = 0;

function load(): Promise<Connector> {
  loading ??= loadConnector(setup);
  return loading;
}

/** @throws ENDPOINT_INVALID, CONNECTOR_INVALID, and what the system says */
async function open(input: OpenInput): Promise<null> {
  const connector = await load();
  hide = hiding(input);
  const config = checkConfig(connector, input);
  const { endpoint, shared, dry } = input;
  if (!dry) opened = checkConnection(await connector.open(config, { endpoint, shared, keep }), connector);
  return null;
}

/** @throws what is wrong with keeping them */
async function keep(replaced: Readonly<Record<string, string>>): Promise<void> {
  const shown = hide;
  hide = (text) => Object.values(replaced).reduce((less, one) => less.replaceAll(one, '***'), shown(text));
  const id = ++keeps;
  const answered = new Promise<Kept>((resolve) => keeping.set(id, resolve));
  port?.postMessage({ keep: id, replaced } satisfies Keep);
  const { failure } = await answered;
  if (failure !== null) throw new SluiceError(failure.code, failure.message);
}

function connection(): Connection {
  assert(opened !== undefined, 'a call came before open');
  return opened;
}

function readOf(id: number): AsyncIterator<Page> {
  const iterator = reads.get(id);
  assert(iterator !== undefined, 'a page was asked of a read that has ended');
  return iterator;
}

function unsupported(what: string): SluiceError {
  return new SluiceError('ENDPOINT_UNSUPPORTED', `connector ${setup.name} cannot ${what}`);
}

const handlers: { [Name in CallName]: (input: Calls[Name]['input']) => Promise<Calls[Name]['output']> } = {
  describe: async () => describeConnector(await load()),
  open,
  check: async () => {
    await connection().check();
    return null;
  },
  discover: () => connection().discover() as Promise<Calls['discover']['output']>,
  read: async ({ read, request }) => {
    const pages = connection().read?.(request);
    if (pages === undefined) throw unsupported('read');
    reads.set(read, pages[Symbol.asyncIterator]());
    return null;
  },
  next: async ({ read }) => {
    const step = await readOf(read)
      .next()
      .catch((error: unknown) => {
        reads.delete(read);
        throw error;
      });
    if (step.done !== true) return step.value;
    reads.delete(read);
    return null;
  },
  end: async ({ read }) => {
    const iterator = reads.get(read);
    reads.delete(read);
    await iterator?.return?.();
    return null;
  },
  write: ({ request, records }) => {
    const { write } = connection();
    if (write === undefined) throw unsupported('write');
    return write.call(connection(), request, records);
  },
  receive: (delivery) => {
    const { receive } = connection();
    if (receive === undefined) throw unsupported('receive');
    return receive.call(connection(), delivery);
  },
  close: async () => {
    await opened?.close();
    opened = undefined;
    return null;
  },
};

async function answer({ id, name, input }: Call): Promise<Answer> {
  try {
    const value = await (handlers[name] as (given: unknown) => Promise<unknown>)(input);
    return { id, ok: true, value };
  } catch (error) {
    const { code, message, details } = asCoded(error);
    return {
      id,
      ok: false,
      code,
      message: hide(message),
      details,
    };
  }
}

/** An error that a connector gives no code for is the system's. */
function asCoded(error: unknown): SluiceError {
  const coded = asSluiceError(error);
  return coded.code === 'INTERNAL' ? new SluiceError('ENDPOINT_FAILED', coded.message) : coded;
}

port.on('message', (call: Call | Kept) => {
  if ('kept' in call) {
    keeping.get(call.kept)?.(call);
    keeping.delete(call.kept);
    return;
  }
  void answer(call).then((reply) => {
    try {
      port.postMessage(reply);
    } catch (error) {
      // What cannot be copied is no record: a function, a socket.
      const message = `connector ${setup.name} answers what is no data: ${String(error)}`;
      port.postMessage({ id: reply.id, ok: false, code: 'CONNECTOR_INVALID', message, details: {} } satisfies Answer);
    }
  });
});
