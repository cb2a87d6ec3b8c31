/** Plans and quotas from outside: exact over threads and restarts, never too low after a kill, readable. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { startServer, waitFor } from '#kit';
import { clients, recorded, startGateway, startUpstream } from './gateway-fixture.ts';
import { problemOf } from './http-fixture.ts';

const CLI = 'dist/src/main.js';
const REQUESTS = 400;
/** A hundredth. */
const LEASE = 4;

interface Usage {
  readonly plan: string | null;
  readonly quotas: readonly { readonly period: string; readonly used: number; readonly remaining: number }[];
}

/** A gateway before an upstream that counts, with a client `shop` of a plan of so many requests a month. */
async function startShop(requests: number) {
  let seen = 0;
  const { port } = await startUpstream((_, response) => {
    seen++;
    response.end('hello');
  });
  const gateway = await startGateway();
  await gateway.serve([port], {}, { auth: 'key' });
  await gateway.put('plan', 'small', { quotas: [{ requests, period: 'month' }] });
  const { issue, headers } = clients(gateway.server);
  const admin = await issue('ops', { scopes: ['admin'] });
  const key = await issue('shop', { scopes: ['call:*'], plan: 'small' });
  const usage = async (url = gateway.server.url) =>
    (await (await fetch(`${url}/v1/clients/shop/usage`, { headers: headers() })).json()) as Usage;
  /** Asks on many connections until `enough` answers were refused, or the server is gone; gives what was let through. */
  const drain = async (enough: number) => {
    const found = { passed: 0, refused: 0, broken: 0 };
    const worker = async () => {
      while (found.refused < enough && found.broken < enough) {
        try {
          const { status } = await gateway.get('/x', { 'x-api-key': key });
          if (status === 200) found.passed++;
          else if (status === 429) found.refused++;
          else throw new Error(`an answer of ${status}`);
        } catch {
          found.broken++;
        }
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    return found;
  };
  return { gateway, admin, key, headers, usage, drain, seen: () => seen };
}

describe('a plan', () => {
  test('lets through exactly what it has over all threads, also over a restart, and says when there is more', async () => {
    const { gateway, key, usage, drain, seen, admin } = await startShop(REQUESTS);
    const first = await gateway.get('/x', { 'x-api-key': key });
    expect(first.headers.get('ratelimit-policy')).toMatch(/^"month";q=400;w=\d{7}$/);
    expect(first.headers.get('ratelimit')).toMatch(/^"month";r=399;t=\d+$/);
    for (let i = 0; i < 100; i++) await gateway.get('/x', { 'x-api-key': key });
    expect(await usage()).toMatchObject({ plan: 'small', quotas: [{ period: 'month', used: 101, remaining: 299 }] });
    await gateway.server.stop();
    const args = ['--gateway-port', String(gateway.port), '--gateway-threads', '2'];
    const again = await startServer({ dataDir: gateway.server.dataDir, args });
    expect(await usage(again.url)).toMatchObject({ quotas: [{ used: 101 }] });
    const { passed } = await drain(20);
    expect([passed, seen()]).toEqual([REQUESTS - 101, REQUESTS]);
    const refused = await gateway.get('/x', { 'x-api-key': key });
    const retryS = Number(refused.headers.get('retry-after'));
    expect([retryS > 0, retryS <= 31 * 86_400]).toEqual([true, true]);
    expect(await problemOf(refused)).toMatchObject({ status: 429, code: 'QUOTA_EXCEEDED', period: 'month' });
    // The count is that of the records in the log.
    const auth = { authorization: `Bearer ${admin}` };
    const passedRecords = await waitFor(
      async () => {
        const found = (await recorded(again, auth)).filter((one) => one['client'] === 'shop' && one.status === 200);
        return found.length >= REQUESTS && found;
      },
      { what: 'the records' },
    );
    expect(passedRecords.length).toBe(REQUESTS);
    const options = { encoding: 'utf8' as const, env: { ...process.env, SLUICE_KEY: admin, SLUICE_URL: again.url } };
    expect(execFileSync(process.execPath, [CLI, 'gateway', 'quota', 'shop'], options)).toMatch(/month +400 +400 +0 /);
  });

  test('is never counted too low after a kill under load, nor too high by more than is told', async () => {
    const { gateway, usage, drain, seen } = await startShop(REQUESTS);
    const before = drain(1);
    await waitFor(() => seen() >= REQUESTS / 4, { what: 'a quarter of the quota to be used' });
    await gateway.server.kill();
    await before;
    const sent = seen();
    const args = ['--gateway-port', String(gateway.port), '--gateway-threads', '2'];
    const again = await startServer({ dataDir: gateway.server.dataDir, args });
    const used = (await usage(again.url)).quotas[0]?.used ?? 0;
    // Of the requests that were let through when it was killed, some had not reached the upstream.
    expect([used >= sent, used <= sent + LEASE + 16]).toEqual([true, true]);
    await drain(20);
    const rest = seen() - sent;
    expect([rest, seen() <= REQUESTS]).toEqual([REQUESTS - used, true]);
  });

  test('must be there, is not removed while a client has it, and is read by its client and by nobody else', async () => {
    const { gateway, key, headers } = await startShop(10);
    const { url } = gateway.server;
    const ask = async (path: string, how: object) => fetch(`${url}/v1/${path}`, how);
    const lost = { method: 'PUT', headers: headers(), body: JSON.stringify({ scopes: ['call:*'], plan: 'none' }) };
    expect(await problemOf(await ask('clients/lost', lost))).toMatchObject({ code: 'RESOURCE_INVALID', field: 'plan' });
    const removed = await ask('plans/small', { method: 'DELETE', headers: headers() });
    expect(await problemOf(removed)).toMatchObject({ code: 'RESOURCE_IN_USE', client: 'shop' });
    const own = { headers: { 'x-api-key': key } };
    expect((await ask('clients/shop/usage', own)).status).toBe(200);
    expect(await problemOf(await ask('clients/ops/usage', own))).toMatchObject({ code: 'FORBIDDEN' });
    expect(await problemOf(await ask('gateway/usage', own))).toMatchObject({ code: 'FORBIDDEN' });
    const nobody = await ask('clients/nobody/usage', { headers: headers() });
    expect(await problemOf(nobody)).toMatchObject({ code: 'RESOURCE_UNKNOWN' });
  });
});
