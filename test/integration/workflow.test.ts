/** Workflows from outside: declared, started, looked at, steered, and going on after the server was killed. */
import { beforeAll, describe, expect, test } from 'vitest';
import { runCli, type Server, startServer, waitFor } from '#kit';
import { ask, declare, type Execution, endOf, historyOf, start, startService } from './workflow-fixture.ts';

let at: Server;
beforeAll(async () => {
  at = await startServer();
});

const call = (url: string, more: object = {}) => ({ call: 'http', with: { method: 'post', endpoint: url, ...more } });

describe('a run', () => {
  test('calls a service with what was put in, and puts out what it answers', async () => {
    const service = await startService((_seen, response) => void response.end('{"total":42}'));
    await declare(at, 'order', [
      { send: call(`${service.url}/orders/{id}`, { body: { lines: '${ .lines }' }, headers: { 'x-id': '${ .id }' } }) },
      { done: { set: { total: '${ .total }', by: '${ $workflow.input.id }' } } },
    ]);
    const run = await start(at, 'order', { id: 'a 1', lines: [1, 2] }, { waitMs: 10_000 });
    expect(run).toMatchObject({ status: 'completed', output: { total: 42, by: 'a 1' } });
    expect(service.seen).toMatchObject([
      { method: 'POST', url: '/orders/a%201', body: '{"lines":[1,2]}', key: `${run.id}/2/1` },
    ]);
    const history = await historyOf(at, run.id);
    expect(history.map(({ kind, type }) => `${kind} ${type}`)).toEqual([
      'command start',
      'event started',
      'event task.started',
      'command result',
      'event task.completed',
      'event task.completed',
      'event completed',
    ]);
  });

  test('that fails says where and why', async () => {
    const service = await startService((_seen, response) => void response.writeHead(404).end('{"no":"such"}'));
    await declare(at, 'failing', [{ send: call(service.url) }]);
    const run = await start(at, 'failing', {}, { waitMs: 10_000 });
    expect(run).toMatchObject({ status: 'faulted', error: { status: 404, instance: '/do/0/send' } });
    expect(run.error?.detail).toContain('such');
  });

  test('runs a script within bounds, with nothing of the server in reach', async () => {
    const script = (code: string, more: object = {}) => ({
      run: { script: { language: 'js', code, arguments: { n: '${ $workflow.input.n }' } }, ...more },
    });
    const reached =
      'return [typeof process, typeof require, typeof fetch, (() => { try { return Function("return 1")() } catch { return "no" } })()]';
    const tasks = [
      {
        value: {
          ...script('console.log("seen"); return { twice: n * 2 }'),
          output: { as: '{ value: . }' },
          export: { as: '.' },
        },
      },
      { printed: { ...script('console.log("n is", 7)'), export: { as: '$context + { printed: . }' } } },
      { reached: { ...script(reached), output: { as: '{ reached: . } + $context' } } },
    ];
    await declare(at, 'scripted', tasks);
    const run = await start(at, 'scripted', { n: 4 }, { waitMs: 20_000 });
    expect(run).toMatchObject({
      status: 'completed',
      output: { value: { twice: 8 }, printed: 'n is 7\n', reached: ['undefined', 'undefined', 'undefined', 'no'] },
    });
    await declare(at, 'endless', [
      { t: { try: [{ s: script('for (;;) {}') }], catch: { do: [{ c: { set: '${ $error.status }' } }] } } },
    ]);
    await declare(at, 'greedy', [{ s: script('const all = []; for (;;) all.push(new Array(100000).fill(n))') }]);
    await declare(at, 'shelled', [{ s: { run: { shell: { command: 'id' } } } }]);
    const runs = ['endless', 'greedy', 'shelled'].map((name) => start(at, name, { n: 1 }, { waitMs: 20_000 }));
    expect(await Promise.all(runs)).toMatchObject([
      { status: 'completed', output: 408 },
      { status: 'faulted', error: { status: 500, detail: expect.stringContaining('MiB') } },
      { status: 'faulted', error: { status: 403 } },
    ]);
  });

  test('is started once for one Idempotency-Key, however many ask at once', async () => {
    const service = await startService();
    await declare(at, 'once', [{ send: call(service.url) }]);
    const runs = await Promise.all(
      Array.from({ length: 50 }, () => start(at, 'once', { n: 1 }, { key: 'same', waitMs: 10_000 })),
    );
    expect(new Set(runs.map(({ id }) => id)).size).toBe(1);
    expect(service.seen).toHaveLength(1);
    const other = await ask(
      at,
      'POST',
      '/v1/workflows/once/executions',
      { input: { n: 2 } },
      { 'idempotency-key': 'same' },
    );
    expect(other).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
  });

  test('keeps its definition when that is changed meanwhile', async () => {
    const version = (text: string) => [{ w: { wait: { milliseconds: 400 } } }, { s: { set: { text } } }];
    await declare(at, 'changing', version('old'));
    const before = await start(at, 'changing', {});
    await declare(at, 'changing', version('new'));
    const after = await start(at, 'changing', {});
    expect((await endOf(at, before.id)).output).toEqual({ text: 'old' });
    expect((await endOf(at, after.id)).output).toEqual({ text: 'new' });
  });

  test('emits to a topic in the commit of its step', async () => {
    await ask(at, 'PUT', '/v1/topics/made', { partitions: 2 });
    const event = { with: { type: 'made', source: '/test', data: { n: '${ .n }' } } };
    await declare(at, 'emitting', [{ e: { emit: { event, topic: 'made', key: '.n' } } }]);
    await start(at, 'emitting', { n: 7 }, { waitMs: 10_000 });
    const read = (partition: number) =>
      ask<{ records: { key: string; value: object; headers: object }[] }>(
        at,
        'GET',
        `/v1/topics/made/partitions/${partition}/records?offset=0`,
      );
    const records = (await Promise.all([read(0), read(1)])).flatMap(({ body }) => body.records);
    expect(records).toMatchObject([{ key: '7', value: { n: 7 }, headers: { ce_type: 'made', ce_specversion: '1.0' } }]);
  });
});

describe('events', () => {
  test('of the bus and of a request wake what listens, and start what is scheduled by them', async () => {
    await declare(at, 'listening', [
      { l: { listen: { to: { all: [{ with: { type: 'paid' } }, { with: { type: 'sent' } }] } } } },
    ]);
    const schedule = { on: { one: { with: { type: 'paid' } } } };
    await declare(at, 'woken', [{ s: { set: { got: '${ . }' } } }], { schedule });
    const run = await start(at, 'listening', {});
    const event = { specversion: '1.0', id: '1', source: '/test', type: 'paid', data: { by: 'card' } };
    const type = { 'content-type': 'application/cloudevents+json' };
    expect(await ask(at, 'POST', '/v1/events', event, type)).toMatchObject({ status: 200 });
    await ask(at, 'POST', `/v1/executions/${run.id}/events`, { type: 'sent', data: 2 });
    expect(await endOf(at, run.id)).toMatchObject({ status: 'completed', output: [{ by: 'card' }, 2] });
    const woken = async () =>
      (await ask<{ executions: Execution[] }>(at, 'GET', '/v1/executions?workflow=woken')).body.executions;
    const [first] = await waitFor(async () => ((await woken()).length > 0 ? woken() : undefined), {
      what: 'the scheduled run',
    });
    expect(await endOf(at, first?.id ?? '')).toMatchObject({ output: { got: [{ by: 'card' }] } });
  });
});

describe('an operator', () => {
  test('finds runs by workflow, status and label, page by page', async () => {
    await declare(at, 'listed', [{ w: { if: '.wait', wait: { hours: 1 } } }]);
    const starts = Array.from({ length: 5 }, (_, n) =>
      ask<Execution>(at, 'POST', '/v1/workflows/listed/executions?wait_ms=100', {
        input: { wait: n < 2 },
        labels: { n: String(n) },
      }),
    );
    const ids = (await Promise.all(starts)).map(({ body }) => body.id);
    const list = async (query: string) =>
      (await ask<{ executions: Execution[]; next: string | null }>(at, 'GET', `/v1/executions?workflow=listed${query}`))
        .body;
    expect((await list('')).executions.map(({ id }) => id).sort()).toEqual([...ids].sort());
    expect((await list('&status=running')).executions).toHaveLength(2);
    expect((await list('&status=completed')).executions).toHaveLength(3);
    expect((await list('&label=n=3')).executions.map(({ id }) => id)).toEqual([ids[3]]);
    const paged: string[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const page: { executions: Execution[]; next: string | null } = await list(
        `&limit=2${after === '' ? '' : `&after=${after}`}`,
      );
      paged.push(...page.executions.map(({ id }) => id));
      after = page.next;
    }
    expect(paged.sort()).toEqual([...ids].sort());
  });

  test('pauses, resumes and cancels, and is told what cannot be done', async () => {
    await declare(at, 'steered', [{ w: { wait: { milliseconds: 300 } } }]);
    const [one, other] = [await start(at, 'steered', {}), await start(at, 'steered', {})];
    expect(await ask(at, 'POST', `/v1/executions/${one.id}/pause`)).toMatchObject({
      status: 200,
      body: { status: 'paused' },
    });
    expect(await ask(at, 'POST', `/v1/executions/${other.id}/cancel`, { reason: 'no' })).toMatchObject({
      body: { status: 'cancelled' },
    });
    expect(await ask(at, 'POST', `/v1/executions/${other.id}/resume`)).toMatchObject({
      status: 409,
      body: { code: 'EXECUTION_CONFLICT' },
    });
    expect(await ask(at, 'POST', `/v1/executions/${one.id}/resume`)).toMatchObject({ status: 200 });
    expect(await endOf(at, one.id)).toMatchObject({ status: 'completed' });
    expect(await ask(at, 'GET', '/v1/executions/nothing')).toMatchObject({
      status: 404,
      body: { code: 'EXECUTION_UNKNOWN' },
    });
    expect(await ask(at, 'POST', '/v1/workflows/nothing/executions', {})).toMatchObject({
      status: 404,
      body: { code: 'RESOURCE_UNKNOWN' },
    });
  });

  test('runs what failed again, one or many, with other input or a newer definition', async () => {
    let up = false;
    const service = await startService((_seen, response) => void response.writeHead(up ? 200 : 500).end('{"ok":true}'));
    const tasks = (done: string) => [
      { a: { set: { n: '${ .n }' } } },
      { c: call(service.url, { body: '${ . }' }) },
      { s: { set: { done } } },
    ];
    await declare(at, 'mended', tasks('old'));
    const runs = await Promise.all([1, 2, 3].map((n) => start(at, 'mended', { n }, { waitMs: 10_000 })));
    expect(runs.map(({ status }) => status)).toEqual(['faulted', 'faulted', 'faulted']);
    up = true;
    await declare(at, 'mended', tasks('new'));
    const [one] = runs;
    const body = { input: { n: 10 }, version: 'latest' };
    expect(await ask(at, 'POST', `/v1/executions/${one?.id}/retry`, body)).toMatchObject({ status: 200 });
    expect(await endOf(at, one?.id ?? '')).toMatchObject({ status: 'completed', output: { done: 'new' } });
    expect(service.seen.at(-1)?.body).toBe('{"n":10}');
    expect(await ask(at, 'POST', `/v1/executions/${one?.id}/retry`)).toMatchObject({
      status: 400,
      body: { code: 'REQUEST_INVALID' },
    });
    const bulk = { action: 'retry', workflow: 'mended', status: 'faulted' };
    const { body: many } = await ask<{ done: string[]; failed: unknown[] }>(at, 'POST', '/v1/executions', bulk);
    expect({ done: many.done.sort(), failed: many.failed }).toEqual({
      done: runs
        .slice(1)
        .map(({ id }) => id)
        .sort(),
      failed: [],
    });
    for (const id of many.done)
      expect(await endOf(at, id)).toMatchObject({ status: 'completed', output: { done: 'old' } });
    const page = await ask<{ executions: Execution[] }>(at, 'GET', '/v1/executions?workflow=mended');
    expect(page.body.executions.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
  });

  test('does it from the command line', async () => {
    await declare(at, 'typed', [{ s: { set: { twice: '${ .n * 2 }' } } }]);
    const run = await runCli(['--url', at.url, '--json', 'workflow', 'start', 'typed', '--input', '{"n":4}', '--wait']);
    expect(JSON.parse(run.stdout)).toMatchObject({ status: 'completed', output: { twice: 8 } });
    const { id } = JSON.parse(run.stdout) as Execution;
    const history = await runCli(['--url', at.url, 'workflow', 'history', id]);
    expect(history.stdout).toContain('task.completed  /do/0/s');
    const list = await runCli(['--url', at.url, 'workflow', 'list', '--workflow', 'typed']);
    expect(list.stdout).toContain('typed@1');
  });

  test('a definition that cannot be run is refused', async () => {
    const put = (tasks: unknown) =>
      ask(at, 'PUT', '/v1/workflows/bad', {
        document: { dsl: '1.0.0', namespace: 't', name: 'bad', version: '1.0.0' },
        do: tasks,
      });
    expect(await put([{ a: { call: 'nowhere' } }])).toMatchObject({ status: 400, body: { code: 'WORKFLOW_INVALID' } });
    expect(await put([{ a: { nothing: {} } }])).toMatchObject({ status: 400, body: { code: 'WORKFLOW_INVALID' } });
  });
});

describe('a server that is killed', () => {
  test('goes on with every run where it was, and does no committed step again', async () => {
    let answering = false;
    const service = await startService((seen, response) => {
      if (answering || seen.url === '/first') response.end('{"n":1}');
    });
    const first = await startServer();
    await declare(first, 'long', [
      { a: call(`${service.url}/first`) },
      { b: call(`${service.url}/second`) },
      { w: { wait: { milliseconds: 200 } } },
      { s: { set: { done: '${ .n }' } } },
    ]);
    const runs = await Promise.all(Array.from({ length: 20 }, (_, n) => start(first, 'long', { n }, { key: `k${n}` })));
    await waitFor(() => service.seen.filter(({ url }) => url === '/second').length === 20, {
      what: 'the second calls',
    });
    await first.kill();
    answering = true;
    const second = await startServer({ dataDir: first.dataDir });
    for (const { id } of runs)
      expect(await endOf(second, id)).toMatchObject({ status: 'completed', output: { done: 1 } });
    expect(service.seen.filter(({ url }) => url === '/first')).toHaveLength(20);
    const keys = service.seen.filter(({ url }) => url === '/second').map(({ key }) => key);
    expect(new Set(keys).size).toBe(20);
    const again = await start(second, 'long', { n: 3 }, { key: 'k3' });
    expect(again).toMatchObject({ id: runs[3]?.id, duplicate: true });
  });
});
