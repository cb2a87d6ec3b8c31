/**
 * A thread that asks for one limited thing as fast as it can, for `rate-limits.test.ts`: given the shared table and a
 * fixed time, it waits until all threads are there, asks, and tells how often it was allowed.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { compileRateLimits, type GatewayRequest, rateLimitsSchema, SharedTable } from '#gateway';

interface Task {
  readonly buffer: SharedArrayBuffer;
  /** Counts the threads that are ready. */
  readonly gate: Int32Array;
  readonly threads: number;
  readonly spec: unknown;
  readonly keys: number;
  readonly asks: number;
  readonly nowMs: number;
}

const { buffer, gate, threads, spec, keys, asks, nowMs } = workerData as Task;
const policy = compileRateLimits(rateLimitsSchema.parse(spec), {
  table: new SharedTable(buffer),
  scope: 'test',
  nowMs: () => nowMs,
});
/** As much of a request as rate limits look at. */
const requests = Array.from({ length: keys }, (_, i) => {
  const seen = {
    clientAddress: '192.0.2.1',
    client: { name: `client-${i}`, scopes: [] },
    answerHeaders: [] as string[],
  };
  return seen as Pick<GatewayRequest, keyof typeof seen> as GatewayRequest;
});

Atomics.add(gate, 0, 1);
Atomics.notify(gate, 0);
while (Atomics.load(gate, 0) < threads) Atomics.wait(gate, 0, Atomics.load(gate, 0), 10);

const allowed = new Array<number>(keys).fill(0);
for (let i = 0; i < asks; i++) {
  const at = i % keys;
  const request = requests[at] as GatewayRequest;
  if (policy.check(request) === undefined) allowed[at] = (allowed[at] as number) + 1;
  request.answerHeaders.length = 0;
}
parentPort?.postMessage(allowed);
