/** Runs one benchmark: `npm run bench -- NAME [--option value …]`; without a name, lists them. */

interface Bench {
  readonly question: string;
  load(): Promise<{ run(): Promise<void> }>;
}

const BENCHES: Readonly<Record<string, Bench>> = {
  ingest: { question: 'records/s from WebSocket batches to the disk', load: () => import('./ingest.ts') },
  http: { question: 'acknowledged requests/s, one record a request', load: () => import('./http.ts') },
  single: { question: 'records/s, one record a WebSocket message', load: () => import('./single.ts') },
  latency: { question: 'acknowledgement and delivery times at a fixed rate', load: () => import('./latency.ts') },
  queue: { question: 'records/s handed out and acknowledged one by one', load: () => import('./queue.ts') },
  read: { question: 'records/s of a catch-up read, and fan-out', load: () => import('./read.ts') },
  retention: {
    question: 'does throughput hold, and disk and memory stay bounded, under retention',
    load: () => import('./retention.ts'),
  },
  process: { question: 'records/s of a stateless processor, log to log', load: () => import('./process.ts') },
  aggregate: {
    question: 'records/s of a keyed count, and its state after a kill',
    load: () => import('./aggregate.ts'),
  },
  transform: {
    question: 'declared transformations beside the same written by hand',
    load: () => import('./transform.ts'),
  },
  screening: { question: 'attacks caught, and harmless requests caught', load: () => import('./screening.ts') },
  gateway: {
    question: 'requests/s of the gateway, beside nginx and @fastify/http-proxy',
    load: () => import('./gateway.ts'),
  },
  'sync-batch': {
    question: 'rows/s of a table from PostgreSQL to MariaDB, beside COPY and LOAD DATA',
    load: () => import('./sync-batch.ts'),
  },
  workflow: {
    question: 'completed runs/s of workflows, durable steps/s, what the engine adds to a step',
    load: () => import('./workflow.ts'),
  },
  scale: {
    question: 'memory and start-up with many partitions, topics and connections',
    load: () => import('./scale.ts'),
  },
};

const name = process.argv[2];
const bench = name === undefined ? undefined : BENCHES[name];
if (bench === undefined) {
  for (const [one, { question }] of Object.entries(BENCHES)) process.stdout.write(`${one.padEnd(10)} ${question}\n`);
  process.exit(name === undefined ? 0 : 2);
}
await (await bench.load()).run();
process.exit(0);
