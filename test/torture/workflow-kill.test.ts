/**
 * Workflows through kills at every labelled place (before and after a commit, before and after an effect, before an answer) and at
 * moments nobody chose: no run that was taken is lost, none is stuck, no step is committed twice, what is emitted is there once, and the
 * history of each run is that of a run nobody disturbed.
 */
import { expect, it } from 'vitest';
import { freePort, type Server, seed, seededRandom, startServer, tempDir, waitFor } from '#kit';
import { ask, declare, type Execution, endOf, historyOf, startService } from '../integration/workflow-fixture.ts';
import { rounds } from './length.ts';

const CYCLES_SHORT = 2;
const CYCLES_FULL = 300;
const RUNS_A_CYCLE = 12;
const PLACES = [
  'workflow-before-commit',
  'workflow-after-commit',
  'workflow-before-effect',
  'workflow-after-effect',
  'before-answer',
  'nowhere',
] as const;

/** Every kind of step whose history does not depend on which answer comes first. */
function tasksOf(url: string): unknown[] {
  const call = (path: string) => ({
    call: 'http',
    with: { method: 'post', endpoint: `${url}/${path}`, body: '${ . }' },
  });
  const emit = { event: { with: { type: 'made', data: '${ { run: $workflow.id } }' } }, topic: 'made' };
  return [
    { first: call('first') },
    {
      rounds: { for: { in: '${ [1, 2] }' }, do: [{ inner: call('inner') }, { count: { set: { n: '${ .n + 1 }' } } }] },
    },
    { tell: { emit } },
    { keep: { set: { n: '${ $workflow.input.n }' } } },
    { rest: { wait: { milliseconds: 20 } } },
    { child: { run: { workflow: { namespace: 'test', name: 'child', version: 'latest', input: { n: '${ .n }' } } } } },
    {
      guarded: {
        try: [{ fails: call('fails') }],
        catch: { do: [{ caught: { set: { n: '${ $workflow.input.n }', caught: true } } }] },
      },
    },
  ];
}

it('loses no run, doubles no step, and leaves none stuck', async () => {
  const random = seededRandom();
  process.stderr.write(`workflow-kill: SLUICE_SEED=${seed()}\n`);
  const service = await startService((seen, response) => {
    if (seen.url === '/fails') response.writeHead(500);
    response.end(seen.body);
  });
  const [dataDir, port] = [await tempDir(), await freePort()];
  const open = (env: Record<string, string> = {}) =>
    startServer({ dataDir, port, env, args: ['--limit', 'segmentBytes=4194304'] });
  let server = await open();
  await ask(server, 'PUT', '/v1/topics/made', { partitions: 1 });
  await declare(server, 'child', [
    { c: { call: 'http', with: { method: 'post', endpoint: `${service.url}/child`, body: '${ . }' } } },
  ]);
  await declare(server, 'whole', tasksOf(service.url));
  const undisturbed = outline(await historyOf(server, (await takenOnce(server, 'undisturbed', 0)) as string));
  await server.stop();

  const taken = new Map<string, number>();
  for (let cycle = 0; cycle < rounds(CYCLES_SHORT, CYCLES_FULL); cycle++) {
    const place = PLACES[Math.floor(random() * PLACES.length)] as string;
    server = await open({ SLUICE_CRASH_AT: `${place}:${1 + Math.floor(random() * 40)}` }).catch(() => open());
    const starting = Array.from({ length: RUNS_A_CYCLE }, (_, n) => take(server, `${cycle}-${n}`, n));
    const killing = new Promise((resolve) => setTimeout(resolve, 100 + random() * 400)).then(() => server.kill());
    for (const [id, n] of (await Promise.all(starting)).flat()) taken.set(id, n);
    await killing;
    server = await open();
    // The same keys again: what was taken is that, what was not is now.
    for (let n = 0; n < RUNS_A_CYCLE; n++)
      for (const [id, input] of await take(server, `${cycle}-${n}`, n)) taken.set(id, input);
    await verify(server, [...taken], undisturbed);
    taken.clear();
    expect((await noneOpen(server)).length).toBe(0);
    await server.stop();
  }
  server = await open();
  await verifyEmitted(server);
  await server.stop();
});

/** The id of a run, once it is over. */
async function takenOnce(server: Server, key: string, n: number): Promise<string | undefined> {
  const [found] = await take(server, key, n);
  if (found !== undefined) await endOf(server, found[0]);
  return found?.[0];
}

/** The run, where the server lived to answer. */
async function take(server: Server, key: string, n: number): Promise<[id: string, n: number][]> {
  try {
    const { status, body } = await ask<Execution>(
      server,
      'POST',
      '/v1/workflows/whole/executions',
      { input: { n } },
      { 'idempotency-key': key },
    );
    return status < 300 ? [[body.id, n]] : [];
  } catch {
    return [];
  }
}

async function noneOpen(server: Server): Promise<readonly Execution[]> {
  return await waitFor(
    async () => {
      const { body } = await ask<{ executions: Execution[] }>(server, 'GET', '/v1/executions?status=running');
      return body.executions.length === 0 ? body.executions : undefined;
    },
    { what: 'every run to be over' },
  );
}

async function verify(
  server: Server,
  runs: readonly (readonly [string, number])[],
  undisturbed: readonly string[],
): Promise<void> {
  for (const [id, n] of runs) {
    expect(await endOf(server, id)).toMatchObject({ status: 'completed', output: { n, caught: true } });
    expect(outline(await historyOf(server, id))).toEqual(undisturbed);
  }
}

/** Events in their order; late results of calls that a kill made come twice are rejections, which are none. */
function outline(history: readonly { kind: string; type?: string; task?: string }[]): string[] {
  return history.filter(({ kind }) => kind === 'event').map(({ type, task }) => `${type} ${task ?? ''}`);
}

async function verifyEmitted(server: Server): Promise<void> {
  const emitted: string[] = [];
  for (let offset = 0; ; ) {
    const path = `/v1/topics/made/partitions/0/records?offset=${offset}`;
    const { body } = await ask<{ records: { value: { run: string } }[]; next: number }>(server, 'GET', path);
    if (body.records.length === 0) break;
    emitted.push(...body.records.map(({ value }) => value.run));
    offset = body.next;
  }
  const runs: string[] = [];
  for (let after = ''; ; ) {
    const path = `/v1/executions?workflow=whole&limit=500${after === '' ? '' : `&after=${after}`}`;
    const { body } = await ask<{ executions: Execution[]; next: string | null }>(server, 'GET', path);
    runs.push(...body.executions.map(({ id }) => id));
    if (body.next === null) break;
    after = body.next;
  }
  expect(emitted.toSorted()).toEqual(runs.toSorted());
}
