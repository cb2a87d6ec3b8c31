/**
 * A connection of the contract out of a declared system: check, discover, read, write, look up, receive. Streams that the
 * system is asked for are asked for once. Made by `connector.ts`.
 */
import { processMs, SluiceError } from '#kernel';
import type { Change, Connection, Delivery, OpenContext, Received, Row, Stream } from '../contract.ts';
import { HttpClient, PATIENCE_MS } from './client.ts';
import type { HttpStream, HttpSystem, WebhookChange } from './declaration.ts';
import { parseExact } from './exact-json.ts';
import { at } from './paths.ts';
import { readStream } from './reading.ts';
import { Rows } from './rows.ts';
import { verifyDelivery } from './signatures.ts';
import { writeStream } from './writing.ts';

const LOOKUPS_AT_ONCE = 4;
/** A check tells how things are; it does not wait until they are well. */
const CHECK_MS = 1_000;

/** What the connector announces decides which members there are. */
export function connect(system: HttpSystem, context: OpenContext, can: Stream['can']): Connection {
  const client = new HttpClient(system, context);
  const streams = new Streams(system, client);
  const writes = can.some((one) => ['insert', 'update', 'upsert', 'delete', 'append'].includes(one));
  const receive = (delivery: Delivery) => take(system, streams, delivery);
  return {
    check: async () => {
      await client.ask(system.check, { deadlineMs: processMs() + CHECK_MS });
    },
    discover: async () => (await streams.all()).map((stream) => new Rows(stream).stream),
    close: () => client.close(),
    ...(can.includes('full') || can.includes('incremental')
      ? {
          read: async function* (request) {
            const all = await streams.all();
            const find = (name: string) => findIn(all, name);
            yield* readStream(client, find(request.stream), request, find);
          },
        }
      : {}),
    ...(writes
      ? {
          write: async (request, records) =>
            writeStream(client, findIn(await streams.all(), request.stream), request, records, context.endpoint),
        }
      : {}),
    ...(can.includes('lookup')
      ? { lookup: async (stream, fields, keys) => lookUp(client, findIn(await streams.all(), stream), fields, keys) }
      : {}),
    ...(can.includes('receive') ? { receive } : {}),
  } satisfies Connection;
}

class Streams {
  readonly #system: HttpSystem;
  readonly #client: HttpClient;
  #found: Promise<readonly HttpStream[]> | undefined;

  constructor(system: HttpSystem, client: HttpClient) {
    this.#system = system;
    this.#client = client;
  }

  async all(): Promise<readonly HttpStream[]> {
    const { streams } = this.#system;
    if (typeof streams !== 'function') return streams;
    this.#found ??= streams((request) => this.#client.ask(request));
    try {
      return await this.#found;
    } catch (error) {
      this.#found = undefined;
      throw error;
    }
  }
}

/** @throws ENDPOINT_STREAM_UNKNOWN */
function findIn(streams: readonly HttpStream[], name: string): HttpStream {
  const found = streams.find((stream) => stream.name === name);
  if (found === undefined) throw new SluiceError('ENDPOINT_STREAM_UNKNOWN', `there is no stream ${name}`, { name });
  return found;
}

async function lookUp(
  client: HttpClient,
  stream: HttpStream,
  fields: readonly string[],
  keys: readonly Row[],
): Promise<(Row | null)[]> {
  const { one, name, primaryKey } = stream;
  if (one === undefined) throw new SluiceError('ENDPOINT_UNSUPPORTED', `${name} cannot be looked up`);
  if (fields.length !== primaryKey.length || !fields.every((field) => primaryKey.includes(field))) {
    throw new SluiceError('ENDPOINT_UNSUPPORTED', `${name} can be looked up by ${primaryKey.join(', ')}`);
  }
  const rows = new Rows(stream);
  const deadlineMs = processMs() + PATIENCE_MS;
  const found: (Row | null)[] = keys.map(() => null);
  let next = 0;
  const work = async () => {
    for (let i = next++; i < keys.length; i = next++) {
      const values = rows.toRecord(keys[i] as Row);
      const request = typeof one.request === 'function' ? one.request(values) : one.request;
      const answer = await client.ask(request, { values, deadlineMs, tolerates: ['missing'] });
      const record = answer.verdict === 'missing' ? undefined : at(answer.body, one.record);
      if (record !== undefined && record !== null) found[i] = rows.toRow({ ...values, ...record });
    }
  };
  await Promise.all(Array.from({ length: LOOKUPS_AT_ONCE }, work));
  return found;
}

/** @throws SIGNATURE_MISSING, SIGNATURE_INVALID, SIGNATURE_EXPIRED, REQUEST_MALFORMED */
async function take({ webhooks }: HttpSystem, streams: Streams, delivery: Delivery): Promise<Received> {
  if (webhooks?.signature === undefined) {
    throw new SluiceError('ENDPOINT_UNSUPPORTED', 'the configuration has no secret for webhooks');
  }
  const { id, onceMs } = verifyDelivery(webhooks.signature, delivery);
  const body = parse(delivery.body, delivery.headers['content-type'] ?? '');
  const challenge = webhooks.challenge?.(body);
  if (challenge !== undefined) {
    return { changes: [], answer: { status: 200, contentType: 'text/plain', body: challenge } };
  }
  const all = await streams.all();
  const changes = webhooks.changes(body, delivery.headers).flatMap((change) => {
    const stream = all.find(({ name }) => name === change.stream);
    return stream === undefined ? [] : [changeOf(change, new Rows(stream), delivery)];
  });
  return { changes, ...(id === undefined ? {} : { id, onceMs }) };
}

function changeOf(
  { stream, op, record, before, at: when, position }: WebhookChange,
  rows: Rows,
  { atMs }: Delivery,
): Change {
  const row = rows.toRow(record);
  const key = Object.fromEntries(rows.stream.primaryKey.map((name) => [name, row[name] ?? null]));
  return {
    stream,
    op,
    before: before !== undefined ? rows.toRow(before) : op === 'delete' ? key : null,
    after: op === 'delete' ? null : row,
    at: when ?? new Date(atMs).toISOString(),
    position: position ?? String(atMs),
  };
}

/** @throws REQUEST_MALFORMED */
function parse(body: Uint8Array, contentType: string): unknown {
  const text = Buffer.from(body).toString('utf8');
  if (contentType.startsWith('application/x-www-form-urlencoded')) return Object.fromEntries(new URLSearchParams(text));
  try {
    return parseExact(text);
  } catch (error) {
    throw new SluiceError('REQUEST_MALFORMED', 'the delivery is no JSON', {}, error);
  }
}
