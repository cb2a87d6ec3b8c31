/**
 * What does the gateway cost, beside nginx and @fastify/http-proxy? First as many requests as it takes (wrk), then at fixed
 * rates (open loop): half of that, and 2,000/s over 10,000 connections. Everything runs on this machine, load included.
 * `--part` takes one part: 1 throughput, 2 half load, 3 many connections, 4 many routes, 5 ingestion beside it; 0: all.
 */
import { spawn } from 'node:child_process';
import { type Asked, closedLoop, type Figures, openLoop } from './kit/http-load.ts';
import { options } from './kit/options.ts';
import { startProxies } from './kit/proxies.ts';
import { fixed, percentile, printResult, printTable, spread, whole } from './kit/report.ts';

const MANY_CONNECTIONS = 10_000;
const MANY_RATE = 2_000;
const MANY_ROUTES = 1_000;
const PRODUCE_EVERY_MS = 10;

type Proxies = Awaited<ReturnType<typeof startProxies>>;

/** The median of several runs, after one that warms up. */
function throughput(asked: Asked, connections: number, seconds: number, runs: number): Figures {
  closedLoop(asked, connections, 1);
  const found = Array.from({ length: runs }, () => closedLoop(asked, connections, seconds));
  const middle = (pick: (one: Figures) => number) => spread(found.map(pick)).median;
  return {
    perSecond: middle((one) => one.perSecond),
    p50: middle((one) => one.p50),
    p99: middle((one) => one.p99),
    errors: found.reduce((sum, one) => sum + one.errors, 0),
  };
}

function row(name: string, { perSecond, p50, p99, errors }: Figures): readonly [string, string] {
  const times = `p50 ${fixed(p50)} ms, p99 ${fixed(p99)} ms`;
  return [name, `${whole(perSecond)} requests/s, ${times}${errors === 0 ? '' : `, ${errors} errors`}`];
}

function all({ routes, direct, fastify, nginx }: Proxies): [name: string, asked: Asked][] {
  const rivals: [string, Asked][] = nginx === undefined ? [] : [['nginx', nginx]];
  return [
    ['direct', direct],
    ...rivals,
    ['@fastify/http-proxy', fastify],
    ['sluice', routes.plain],
    ['sluice: key, limit, record', routes.full],
    ['sluice: JWT ES256', routes.jwt],
  ];
}

/** Milliseconds from produce to acknowledgement of one record at a time, for so long. */
async function produceTimes(proxies: Proxies, seconds: number): Promise<number[]> {
  const { gateway } = proxies;
  const ms: number[] = [];
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    const before = performance.now();
    await gateway.produce('bench');
    ms.push(performance.now() - before);
    await new Promise((resolve) => setTimeout(resolve, PRODUCE_EVERY_MS));
  }
  return ms;
}

async function besideLoad(proxies: Proxies, seconds: number): Promise<void> {
  const { gateway, routes } = proxies;
  await gateway.put('topics/bench', {});
  await produceTimes(proxies, 1);
  const alone = await produceTimes(proxies, seconds);
  const url = `http://127.0.0.1:${routes.plain.port}/`;
  const wrk = spawn('wrk', ['-t1', '-c100', `-d${seconds + 1}s`, url], { stdio: 'ignore' });
  const loaded = await produceTimes(proxies, seconds);
  await new Promise((resolve) => wrk.once('exit', resolve));
  printTable('gateway: one record at a time produced beside it, fsync before ack', [
    ['alone', `p50 ${fixed(percentile(alone, 0.5))} ms, p99 ${fixed(percentile(alone, 0.99))} ms`],
    [
      'beside 100 busy connections',
      `p50 ${fixed(percentile(loaded, 0.5))} ms, p99 ${fixed(percentile(loaded, 0.99))} ms`,
    ],
  ]);
}

export async function run(): Promise<void> {
  const { seconds, threads, connections, runs, part } = options({
    seconds: 4,
    threads: 2,
    connections: 1_000,
    runs: 1,
    part: 0,
  });
  const proxies = await startProxies(threads);
  const { gateway, routes, direct } = proxies;
  const wanted = (number: number) => part === 0 || part === number;
  const found = new Map<string, Figures>();
  if (wanted(1) || wanted(2)) {
    for (const [name, asked] of all(proxies)) found.set(name, throughput(asked, connections, seconds, runs));
    const title = `gateway: 1 KB answers, ${connections} connections, ${threads} threads, as fast as it goes`;
    printTable(
      title,
      [...found].map(([name, one]) => row(name, one)),
    );
  }
  const half = new Map<string, Figures>();
  if (wanted(2)) {
    const full = found.get('sluice: key, limit, record')?.perSecond ?? 0;
    const rate = Math.round(full / 2);
    for (const [name, asked] of [
      ['direct', direct],
      ['sluice', routes.plain],
      ['sluice: key, limit, record', routes.full],
    ] as const) {
      half.set(name, await openLoop(asked, connections, rate, seconds));
    }
    printTable(
      `gateway: ${connections} connections, half of that rate, open loop`,
      [...half].map(([name, one]) => row(name, one)),
    );
  }
  let many: Figures | undefined;
  if (wanted(3)) {
    many = await openLoop(routes.full, MANY_CONNECTIONS, MANY_RATE, Math.max(seconds, 10));
    printTable(`gateway: ${whole(MANY_CONNECTIONS)} connections, open loop`, [row('sluice: key, limit, record', many)]);
  }
  if (wanted(4)) {
    const few = throughput(routes.plain, 100, seconds, runs);
    await gateway.addRoutes(MANY_ROUTES);
    const lots = throughput(routes.plain, 100, seconds, runs);
    printTable('gateway: 100 connections, few routes and many', [
      row('3 routes', few),
      row(`${MANY_ROUTES + 3} routes`, lots),
    ]);
  }
  if (wanted(5)) await besideLoad(proxies, seconds);
  const plain = found.get('sluice');
  const ratio = (to: string, of = 'sluice') => {
    const [a, b] = [found.get(of)?.perSecond, found.get(to)?.perSecond];
    return a === undefined || b === undefined ? null : Number((a / b).toFixed(2));
  };
  printResult({
    bench: 'gateway',
    connections,
    p99_ms: plain?.p99 ?? null,
    requests_per_s: Math.round(plain?.perSecond ?? 0),
    errors: [...found.values(), ...half.values(), ...(many === undefined ? [] : [many])].reduce(
      (sum, one) => sum + one.errors,
      0,
    ),
    ratio_to_nginx: ratio('nginx'),
    ratio_to_fastify: ratio('@fastify/http-proxy'),
    full_ratio_to_nginx: ratio('nginx', 'sluice: key, limit, record'),
    full_p99_ms: found.get('sluice: key, limit, record')?.p99 ?? null,
    full_half_load_p99_ms: half.get('sluice: key, limit, record')?.p99 ?? null,
    jwt_ratio_to_plain: ratio('sluice', 'sluice: JWT ES256'),
    many_connections_p99_ms: many?.p99 ?? null,
  });
  await gateway.server.stop();
}
