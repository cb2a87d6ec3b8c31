/** How many requests a second, each with one record, are acknowledged after fsync? wrk where it is installed, and autocannon. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';
import { connect } from '#client';
import { countCores } from './kit/cpu.ts';
import { options } from './kit/options.ts';
import { fixed, percentile, printResult, printTable, spread, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const TOPIC = 'bench';
const WARM_UP_SECONDS = 1;
const VALUE = 'x'.repeat(88);
const BODY = JSON.stringify({ records: [{ key: 'key', value: VALUE }] });

interface Figures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
  /** Cores the server used. */
  readonly cores: number;
}

/** Undefined where wrk is not installed. */
function wrk(url: string, connections: number, seconds: number): Omit<Figures, 'cores'> | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-wrk-'));
  const script = join(folder, 'post.lua');
  writeFileSync(
    script,
    `wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = ${JSON.stringify(BODY)}\n` +
      'done = function(s, l, r) io.write(string.format("FIGURES %f %f %f %d\\n", s.requests / (s.duration / 1e6), ' +
      'l:percentile(50) / 1000, l:percentile(99) / 1000, s.errors.connect + s.errors.read + s.errors.write + s.errors.status + s.errors.timeout)) end\n',
  );
  try {
    const out = execFileSync('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url], {
      encoding: 'utf8',
    });
    const [perSecond = 0, p50 = 0, p99 = 0, errors = 0] = (/FIGURES (.*)/.exec(out)?.[1] ?? '').split(' ').map(Number);
    return { perSecond, p50, p99, errors };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function cannon(url: string, connections: number, seconds: number): Promise<Omit<Figures, 'cores'>> {
  const result = await autocannon({
    url,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: BODY,
    connections,
    duration: seconds,
  });
  return {
    perSecond: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
    errors: result.errors + result.non2xx,
  };
}

export async function run(): Promise<void> {
  const { seconds, repeat } = options({ seconds: 5, repeat: 3 });
  for (const connections of [256, 1_000]) {
    const byTool: Record<string, Figures[]> = { wrk: [], autocannon: [] };
    for (let i = 0; i < repeat; i++) {
      const server = new ServerProcess();
      await server.start();
      const client = connect({ url: server.url });
      await client.admin.createTopic(TOPIC, { partitions: 8 });
      client.close();
      const url = `${server.url}/v1/topics/${TOPIC}/records`;
      for (const [tool, runs] of Object.entries(byTool)) {
        const load = tool === 'wrk' ? wrk : cannon;
        await load(url, connections, WARM_UP_SECONDS);
        const coresUsed = countCores(server);
        const figures = await load(url, connections, seconds);
        if (figures !== undefined) runs.push({ ...figures, cores: coresUsed().server });
      }
      await server.stop();
    }
    for (const [tool, runs] of Object.entries(byTool)) {
      if (runs.length === 0) continue;
      const rate = spread(runs.map(({ perSecond }) => perSecond));
      const p50 = percentile(
        runs.map((one) => one.p50),
        0.5,
      );
      const p99 = percentile(
        runs.map((one) => one.p99),
        0.5,
      );
      const errors = runs.reduce((sum, one) => sum + one.errors, 0);
      printTable(
        `http: one ${VALUE.length}-byte value a request, ${connections} connections, ${tool}, fsync before ack`,
        [
          ['acks/s', `${whole(rate.median)} (${whole(rate.min)} to ${whole(rate.max)}, ${runs.length} runs)`],
          ['p50, p99', `${fixed(p50)} ms, ${fixed(p99)} ms`],
          ['errors', whole(errors)],
          [
            'processor',
            `server ${fixed(
              percentile(
                runs.map((one) => one.cores),
                0.5,
              ),
            )} of the machine's cores`,
          ],
        ],
      );
      printResult({
        bench: 'http',
        tool,
        connections,
        records_per_s: Math.round(rate.median),
        min: Math.round(rate.min),
        max: Math.round(rate.max),
        p50_ms: p50,
        p99_ms: p99,
        errors,
        record_bytes: VALUE.length,
        durability: 'fsync',
        ratio_to_native: null,
      });
    }
  }
}
