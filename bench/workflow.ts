/**
 * Workflows: how many runs of one step are completed a second, and how many durable steps? What does the engine add to a step
 * that calls a service, at half the rate it can bear? How long does a flow of 40 steps take? Every start is a request of its own
 * that is answered when the run is over, fsync on; the load and the service that is called share the machine with the server.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { coresText, countCores } from './kit/cpu.ts';
import { options } from './kit/options.ts';
import { type Post, postClosed, postOpen } from './kit/posts.ts';
import { fixed, percentile, printResult, printTable, spread, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const STEPS = 10;
const LONG_STEPS = 40;
const CALLS = 5;

interface Settings {
  readonly seconds: number;
  readonly repeat: number;
  readonly connections: number;
}

export async function run(): Promise<void> {
  const settings = options({ seconds: 6, repeat: 3, connections: 256 });
  const server = new ServerProcess(['--log-level', 'error']);
  await server.start();
  const service = await startService();
  await declareAll(server, service.url);
  const { seconds, repeat, connections } = settings;
  await postClosed(postTo(server, 'one'), connections, 2);
  const cores = countCores(server);
  const instances = await rates(settings, () => postClosed(postTo(server, 'one'), connections, seconds));
  const used = cores();
  const flows = await rates(settings, () => postClosed(postTo(server, 'ten'), connections, seconds));
  const calls = await rates({ ...settings, repeat: 1 }, () =>
    postClosed(postTo(server, 'calls'), connections, seconds),
  );
  service.reset();
  await postOpen(postTo(server, 'calls'), connections, Math.max(1, Math.floor(calls.median / 2)), seconds);
  const gaps = service.gaps();
  const long = await postClosed(postTo(server, 'forty'), 1, 2);
  const steps = flows.median * STEPS;
  printTable(`workflow: ${connections} connections, each start answered when the run is over, fsync, one process`, [
    [
      'one step',
      `${whole(instances.median)} completed runs/s (${whole(instances.min)} to ${whole(instances.max)}, ${repeat} runs)`,
    ],
    ['', coresText([used])],
    [`${STEPS} steps`, `${whole(flows.median)} completed runs/s, ${whole(steps)} durable steps/s`],
    [
      `${CALLS} calls`,
      `${whole(calls.median)} completed runs/s, ${whole(calls.median * CALLS)} calls/s, each step committed before and after`,
    ],
    [
      'between two calls',
      `p50 ${fixed(percentile(gaps, 0.5))} ms, p99 ${fixed(percentile(gaps, 0.99))} ms, at half of that, over ${whole(gaps.length)}`,
    ],
    [
      `${LONG_STEPS} steps`,
      `p50 ${fixed(percentile(long.ms, 0.5))} ms, p99 ${fixed(percentile(long.ms, 0.99))} ms, one after the other`,
    ],
  ]);
  printResult({
    bench: 'workflow',
    instances_per_s: Math.round(instances.median),
    steps_per_s: Math.round(steps),
    calls_per_s: Math.round(calls.median * CALLS),
    p50_ms: percentile(gaps, 0.5),
    p99_ms: percentile(gaps, 0.99),
    forty_steps_p50_ms: percentile(long.ms, 0.5),
    forty_steps_p99_ms: percentile(long.ms, 0.99),
    durability: 'fsync',
  });
  service.close();
  await server.stop();
}

async function rates({ repeat }: Settings, once: () => Promise<{ perSecond: number; refused: number }>) {
  const found: number[] = [];
  for (let i = 0; i < repeat; i++) {
    const { perSecond, refused } = await once();
    if (refused > 0) throw new Error(`${refused} starts were refused`);
    found.push(perSecond);
  }
  return spread(found);
}

function postTo({ port }: ServerProcess, workflow: string): Post {
  return { port, path: `/v1/workflows/${workflow}/executions?wait_ms=30000`, body: '{"input":{"n":1,"who":"bench"}}' };
}

async function declareAll({ url }: ServerProcess, service: string): Promise<void> {
  const step = { set: { n: '${ .n + 1 }', who: '${ .who }' } };
  const list = (count: number) => Array.from({ length: count }, (_, index) => ({ [`step${index}`]: step }));
  const call = {
    call: 'http',
    with: { method: 'post', endpoint: service, body: '${ . }', headers: { 'x-run': '${ $workflow.id }' } },
  };
  const declared = {
    one: list(1),
    ten: list(STEPS),
    forty: list(LONG_STEPS),
    calls: Array.from({ length: CALLS }, (_, index) => ({ [`call${index}`]: call })),
  };
  for (const [name, tasks] of Object.entries(declared)) {
    const document = { dsl: '1.0.0', namespace: 'bench', name, version: '1.0.0' };
    const body = JSON.stringify({ document, do: tasks });
    const headers = { 'content-type': 'application/json' };
    const { status } = await fetch(`${url}/v1/workflows/${name}`, { method: 'PUT', headers, body });
    if (status >= 300) throw new Error(`workflow ${name} was refused with ${status}`);
  }
}

/** Answers at once what it is sent, and notes how long after its last answer a run calls again. */
async function startService() {
  const answeredAt = new Map<string, number>();
  let gaps: number[] = [];
  const server = createServer((request, response) => {
    const run = String(request.headers['x-run']);
    const before = answeredAt.get(run);
    if (before !== undefined) gaps.push(performance.now() - before);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.setHeader('content-type', 'application/json');
      response.end(Buffer.concat(chunks));
      answeredAt.set(run, performance.now());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    gaps: () => gaps,
    reset: () => {
      gaps = [];
      answeredAt.clear();
    },
    close: () => server.close(),
  };
}
