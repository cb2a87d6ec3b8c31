/**
 * The thread of one endpoint: loads the module of its connector, holds one connection, and answers calls. Whatever the connector
 * throws leaves as a coded error in which no secret is readable; what it breaks is this thread alone.
 * Started by `../thread.ts`.
 */
import { register } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import { asSluiceError, assert, SluiceError } from '#kernel';
import { checkConnection, checkConnector, describeConnector, secretPaths } from '../conformance.ts';
import type { Connection, Connector, Page } from '../contract.ts';
import type { Answer, Call, CallName, Calls, OpenInput, WorkerSetup } from './protocol.ts';

const setup = workerData as WorkerSetup;
const port = parentPort;
assert(port !== null, 'this module is the entry of a worker thread');

/** So that a connector outside this package finds the contract by the name it has for users. */
if (setup.contract !== null) {
  const url = JSON.stringify(setup.contract);
  const hook = `export const resolve = (name, context, next) =>
    name === 'sluice/connector' ? { url: ${url}, shortCircuit: true } : next(name, context)`;
  register(`data:text/javascript,${encodeURIComponent(hook)}`);
}

const reads = new Map<number, AsyncIterator<Page>>();
let loading: Promise<Connector> | undefined;
let opened: Connection | undefined;
/** Texts that must not leave the thread in a message. */
let secrets: string[] = [];

function load(): Promise<Connector> {
  loading ??= (async () => {
    let module: { default?: unknown };
    try {
      module = (await import(setup.module)) as { default?: unknown };
    } catch (error) {
      throw new SluiceError('CONNECTOR_INVALID', `connector ${setup.name} does not load: ${String(error)}`, {
        connector: setup.name,
      });
    }
    return checkConnector(module.default, setup.name);
  })();
  return loading;
}

/** @throws ENDPOINT_INVALID, CONNECTOR_INVALID, and what the system says */
async function open({ endpoint, config, secretPaths: named, dry }: OpenInput): Promise<null> {
  const connector = await load();
  secrets = named.map((path) => String(valueAt(config, path))).filter((text) => text.length > 0);
  for (const path of secretPaths(describeConnector(connector).config)) {
    if (valueAt(config, path) !== undefined && !named.includes(path)) {
      throw invalidConfig(path, 'is secret: declare a secret and name it here as {"secret": "NAME"}');
    }
  }
  const result = connector.spec.safeParse(config);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw invalidConfig(issue?.path.join('.') ?? '', issue?.message ?? 'is not valid');
  }
  if (!dry) opened = checkConnection(await connector.open(result.data, { endpoint }), connector);
  return null;
}

function invalidConfig(field: string, message: string): SluiceError {
  const path = field === '' ? 'config' : `config.${field}`;
  return new SluiceError('ENDPOINT_INVALID', `${path}: ${message}`, { field: path });
}

function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], value);
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
      message: secrets.reduce((text, one) => text.replaceAll(one, '***'), message),
      details,
    };
  }
}

/** An error that a connector gives no code for is the system's. */
function asCoded(error: unknown): SluiceError {
  const coded = asSluiceError(error);
  return coded.code === 'INTERNAL' ? new SluiceError('ENDPOINT_FAILED', coded.message) : coded;
}

port.on('message', (call: Call) => {
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
