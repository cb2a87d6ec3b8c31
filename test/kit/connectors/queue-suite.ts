/**
 * The suite of connectors of queues and streams of messages, on the real system: what is appended comes, exactly and in order;
 * what no page's state covers comes again after a crash; what was acknowledged does not; live messages, poison, memory, ends.
 */
import { describe, expect, test } from 'vitest';
import {
  type Change,
  type ChangesRequest,
  type Connection,
  type Connector,
  checkConnection,
  type Json,
  type Row,
} from '#connector';
import { waitFor } from '../wait.ts';
import { follow, following } from './changes.ts';
import { mannersOf } from './manners.ts';
import { rejected } from './records.ts';

export interface Queue {
  readonly stream: string;
  /** Fields that discovery names, with their types. */
  readonly types: Readonly<Record<string, string>>;
  /** Messages at the edges of what it holds, each to come as it is, but for fields that begin with `_`. */
  readonly exact: readonly Row[];
  /** A message that is refused. */
  readonly poison?: Row;
  /** What each message needs beside its body. */
  readonly beside?: Row;
}

export interface QueuePlace {
  readonly config: unknown;
  readonly bad: Readonly<Record<string, { readonly config: unknown; readonly code: string }>>;
  create(): Promise<Queue>;
}

export interface QueueTraits {
  /** Reading begins with what is there: false where messages come only to who is subscribed. */
  readonly keeps?: boolean;
  /** The state is a place in the stream: what it covers never comes again, even without an acknowledgement. */
  readonly places?: boolean;
}

/** @param place called once for each test */
export function queueSuite(connector: Connector, place: () => Promise<QueuePlace>, traits: QueueTraits = {}): void {
  const { keeps = true, places = false } = traits;
  let consumers = 0;
  const open = async (config: unknown): Promise<Connection> =>
    checkConnection(await connector.open(connector.spec.parse(config), { endpoint: 'suite' }), connector);

  async function withQueue() {
    const { config, create } = await place();
    const queue = await create();
    const connection = await open(config);
    const append = async (rows: readonly Row[]) => {
      const given = rows.map((row) => ({ ...queue.beside, ...row }));
      return (await connection.write?.({ stream: queue.stream, mode: 'append', keys: [] }, given)) ?? [];
    };
    const fill = async (from: number, to: number) => {
      const rows = Array.from({ length: to - from }, (_, i) => messageOf(queue, from + i));
      expect(rejected(await append(rows))).toEqual([]);
    };
    const consumer = `suite of ${connector.name}.${process.pid}-${++consumers}`;
    const request = (state?: Json): ChangesRequest => ({
      streams: [queue.stream],
      snapshot: true,
      pageRecordsMax: 7,
      consumer,
      ...(state === undefined ? {} : { state }),
    });
    /** Begins to read; where messages come only to who is subscribed, it is when this returns. */
    const begin = async (by = connection, state?: Json) => {
      const reader = following(by, request(state));
      if (!keeps && state === undefined) await reader.next();
      return reader;
    };
    const end = async (...others: Connection[]) => {
      await (others.at(-1) ?? connection).forget?.(consumer);
      for (const one of [connection, ...others]) await one.close();
    };
    return { config, queue, connection, append, fill, begin, end, consumer };
  }

  describe(`messages of ${connector.name}`, () => {
    mannersOf(connector, place);

    test('finds its streams, and refuses others', async () => {
      const { queue, connection, end } = await withQueue();
      const found = (await connection.discover()).find(({ name }) => name === queue.stream);
      expect(Object.fromEntries(found?.fields.map(({ name, type }) => [name, type]) ?? [])).toEqual(queue.types);
      const strange = { streams: ['no-such-stream'], snapshot: true, pageRecordsMax: 1, consumer: 'x' };
      await expect(following(connection, strange).next()).rejects.toMatchObject({ code: 'ENDPOINT_STREAM_UNKNOWN' });
      const write = connection.write?.({ stream: 'no-such-stream', mode: 'append', keys: [] }, []);
      await expect(write).rejects.toMatchObject({ code: 'ENDPOINT_STREAM_UNKNOWN' });
      await end();
    });

    test('brings what was appended, exactly and in order', async () => {
      const { queue, append, begin, end } = await withQueue();
      const reader = await begin();
      expect(rejected(await append(queue.exact))).toEqual([]);
      const { changes, pages } = await follow(reader, (all) => all.length >= queue.exact.length);
      expect(changes.map(bodyOf)).toEqual(queue.exact);
      expect(
        changes.every(({ op, before, stream }) => op === 'insert' && before === null && stream === queue.stream),
      ).toBe(true);
      if (keeps) expect(pages[0]?.streams?.map(({ name }) => name)).toEqual([queue.stream]);
      await reader.return?.();
      await end();
    });

    test('brings again what no state covers, and nothing that one covered', async () => {
      const { config, queue, connection, fill, begin, end } = await withQueue();
      const before = await begin();
      await fill(0, 40);
      const first = await follow(before, (all) => all.length >= 15);
      // The next page was asked for, and nobody took it: what came before is covered, it is not.
      await before.next();
      await connection.close();
      const other = await open(config);
      const reader = await begin(other, first.state);
      const missing = 40 - first.changes.length;
      const rest = await follow(reader, (all) => all.length >= missing);
      expect([...first.changes, ...rest.changes].map(numberOf)).toEqual(Array.from({ length: 40 }, (_, i) => i));
      expect(rest.changes[0]?.stream).toBe(queue.stream);
      await reader.return?.();
      await end(other);
    });

    test(`brings ${places ? 'nothing' : 'a page'} again whose state was kept, but not asked on from`, async () => {
      const { config, connection, fill, begin, end } = await withQueue();
      const before = await begin();
      await fill(0, 20);
      const first = await follow(before, (all) => all.length >= 1);
      await connection.close();
      const other = await open(config);
      const reader = await begin(other, first.state);
      const seen = new Set(first.changes.map(numberOf));
      const { changes } = await follow(reader, (all) => {
        for (const change of all) seen.add(numberOf(change));
        return seen.size === 20 && all.length >= 20 - first.changes.length;
      });
      if (places)
        expect(changes.map(numberOf)).toEqual(Array.from({ length: 20 }, (_, i) => i).slice(first.changes.length));
      await reader.return?.();
      await end(other);
    });

    test('waits for messages without a page that never comes, and brings them as they come', async () => {
      const { fill, begin, end } = await withQueue();
      const reader = await begin();
      const idle = await reader.next();
      expect(idle.value.changes).toEqual([]);
      for (let i = 0; i < 3; i++) {
        await fill(i, i + 1);
        const { changes } = await follow(reader, (all) => all.length > 0);
        expect(changes.map(numberOf)).toEqual([i]);
      }
      await reader.return?.();
      await end();
    });

    test('rejects a poison message by itself, and the others land', async ({ skip }) => {
      const { queue, append, begin, end } = await withQueue();
      if (queue.poison === undefined) {
        await end();
        return skip('the system takes everything');
      }
      const reader = await begin();
      const rows = [0, 1, 2].map((i) => messageOf(queue, i));
      const results = await append([rows[0] as Row, queue.poison, rows[1] as Row, rows[2] as Row]);
      expect(results.map(({ ok }) => ok)).toEqual([true, false, true, true]);
      expect(results[1]).toMatchObject({ code: 'RECORD_REJECTED', retryable: false });
      const { changes } = await follow(reader, (all) => all.length >= 3);
      expect(changes.map(numberOf)).toEqual([0, 1, 2]);
      await reader.return?.();
      await end();
    });

    test('brings thousands of messages once each, in order, page by page', async () => {
      const { fill, begin, end } = await withQueue();
      const reader = await begin();
      for (let at = 0; at < 3_000; at += 500) await fill(at, at + 500);
      const { changes, pages } = await follow(reader, (all) => all.length >= 3_000);
      expect(pages.every((page) => page.changes.length <= 7)).toBe(true);
      expect(changes.map(numberOf)).toEqual(Array.from({ length: 3_000 }, (_, i) => i));
      await reader.return?.();
      await end();
    });

    test('leaves nothing running when it is closed', async () => {
      const sockets = () => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCPSocket')).length;
      const before = sockets();
      const { fill, begin, end } = await withQueue();
      await begin();
      await fill(0, 1);
      await end();
      await waitFor(() => sockets() <= before, { what: 'its sockets to be gone' });
    });
  });
}

function messageOf({ exact }: Queue, i: number): Row {
  return exact.some((row) => 'body' in row) ? { body: String(i) } : { n: i };
}

function numberOf({ after }: Change): number {
  const { n, body } = after ?? {};
  return Number(n ?? (body instanceof Uint8Array ? Buffer.from(body).toString() : body));
}

function bodyOf({ after }: Change): Row {
  return Object.fromEntries(Object.entries(after ?? {}).filter(([name]) => !name.startsWith('_')));
}
