/** Following a topic as server-sent events: in order, without a gap, resumable from any event. */
import { expect, test } from 'vitest';
import { waitFor } from '#kit';
import { type Fixture, problemOf, serve } from './http-fixture.ts';

interface Event {
  id: string;
  event: string | undefined;
  data: { partition: number; offset: number; value: unknown };
}

/** Reads events into `events` until `stop` is called or the server ends. */
async function follow(server: Fixture, query: string, headers: Record<string, string> = {}) {
  const controller = new AbortController();
  const url = `${server.url}/v1/topics/t/events${query}`;
  const answer = await fetch(url, { headers, signal: controller.signal });
  const events: Event[] = [];
  const ended = readEvents(answer, events).catch((error: Error) => {
    if (error.name !== 'AbortError') throw error;
  });
  return { answer, events, ended, stop: () => controller.abort() };
}

async function readEvents(answer: Response, events: Event[]): Promise<void> {
  let text = '';
  for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(piece).toString();
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field('data');
      if (data !== undefined) events.push({ id: field('id') ?? '', event: field('event'), data: JSON.parse(data) });
    }
  }
}

async function until(events: readonly Event[], count: number) {
  await waitFor(() => events.length >= count, { what: `${count} events, not ${events.length}` });
  return events.map(({ data }) => data.value);
}

test('what is there is sent, then what comes', async () => {
  const server = await serve();
  await server.produce([
    { value: 1, partition: 0 },
    { value: 2, partition: 0 },
  ]);
  const { answer, events, stop } = await follow(server, '?from=earliest');
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  expect(await until(events, 2)).toEqual([1, 2]);
  await server.produce([{ value: 3, partition: 1 }]);
  await until(events, 3);
  expect(events[2]).toMatchObject({ id: '0:2,1:1', data: { partition: 1, offset: 0, value: 3, headers: {} } });
  stop();
});

test('by default only what comes is sent', async () => {
  const server = await serve();
  await server.produce([{ value: 'old', partition: 0 }]);
  const { events, stop } = await follow(server, '');
  await server.produce([{ value: 'new', partition: 0 }]);
  expect(await until(events, 1)).toEqual(['new']);
  stop();
});

test('a reader that comes back with the last id misses nothing and gets nothing twice', async () => {
  const server = await serve();
  const total = 60;
  for (let i = 0; i < total; i++) await server.produce([{ value: i, partition: i % 2 }]);
  const seen: string[] = [];
  let id = '';
  while (seen.length < total) {
    const headers = id === '' ? {} : { 'last-event-id': id };
    const { events, stop } = await follow(server, '?from=earliest', headers as Record<string, string>);
    await until(events, 1);
    const taken = events.slice(0, 7);
    seen.push(...taken.map(({ data }) => `${data.partition}:${data.offset}`));
    id = taken.at(-1)?.id as string;
    stop();
  }
  const expected = Array.from({ length: total }, (_, i) => `${i % 2}:${Math.floor(i / 2)}`).sort();
  expect(seen.toSorted()).toEqual(expected);
});

test('the last id may come in the query, and partitions may be named', async () => {
  const server = await serve();
  await server.produce([
    { value: 'a', partition: 0 },
    { value: 'b', partition: 1 },
    { value: 'c', partition: 1 },
  ]);
  const { events, stop } = await follow(server, '?partitions=1&last_event_id=1:1');
  expect(await until(events, 1)).toEqual(['c']);
  expect(events[0]?.id).toBe('1:2');
  stop();
});

test('values with line breaks stay one event', async () => {
  const server = await serve();
  await server.send('POST', '/v1/topics/t/records?partition=0', '{"records":[{"value":{\n"a":"x\\ny"\r\n}}]}');
  const { events, stop } = await follow(server, '?from=earliest');
  expect(await until(events, 1)).toEqual([{ a: 'x\ny' }]);
  stop();
});

test.each([
  ['?from=yesterday', {}, 400, 'REQUEST_INVALID'],
  ['?partitions=0,0', {}, 400, 'REQUEST_INVALID'],
  ['?partitions=5', {}, 404, 'PARTITION_UNKNOWN'],
  ['', { 'last-event-id': 'x' }, 400, 'REQUEST_INVALID'],
  ['', { 'last-event-id': '0:99' }, 416, 'OFFSET_OUT_OF_RANGE'],
  ['', { accept: 'application/json' }, 406, 'NOT_ACCEPTABLE'],
])('a wrong start is answered before the stream begins: %s %j', async (query, headers, status, code) => {
  const server = await serve();
  const answer = await server.get(`/v1/topics/t/events${query}`, headers as Record<string, string>);
  expect(await problemOf(answer)).toMatchObject({ status, code });
});

test('a place that was trimmed is gone', async () => {
  const server = await serve();
  await server.produce([
    { value: 1, partition: 0 },
    { value: 2, partition: 0 },
  ]);
  await server.log.partition('t', 0).trim(2);
  const answer = await server.get('/v1/topics/t/events', { 'last-event-id': '0:1' });
  expect(await problemOf(answer)).toMatchObject({ status: 410, code: 'OFFSET_TRIMMED', start: 2 });
});

test('a reader that stops costs nothing, and gets everything when it goes on', async () => {
  const server = await serve();
  const { answer, stop } = await openStopped(server);
  const text = 'z'.repeat(50_000);
  for (let i = 0; i < 200; i++) await server.produce([{ value: `${i}${text}`, partition: 0 }]);
  const events: Event[] = [];
  const reading = readEvents(answer, events).catch(() => undefined);
  await waitFor(() => events.length === 200, { what: 'all events' });
  expect(events.map(({ data }) => data.offset)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  stop();
  await reading;
});

/** An open stream that nobody reads yet. */
async function openStopped(server: Fixture) {
  const controller = new AbortController();
  const answer = await fetch(`${server.url}/v1/topics/t/events?from=earliest`, { signal: controller.signal });
  return { answer, stop: () => controller.abort() };
}

test('the stream ends when the server shuts down', async () => {
  const server = await serve();
  const { ended } = await follow(server, '?from=earliest');
  await server.close();
  await ended;
});
