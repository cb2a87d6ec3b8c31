/** Who changed a route, when and how; what a change would do; going back; and what the records tell of the callers. */
import { describe, expect, test } from 'vitest';
import { runCli, waitFor } from '#kit';
import { atLeast, behind, clients, startGateway, startUpstream } from './gateway-fixture.ts';

describe('a route', () => {
  test('has a history with who, when and what, a dry run that does nothing, and a way back that takes effect', async () => {
    const { port } = await startUpstream((request, response) => void response.end(request.url));
    const gateway = await startGateway();
    await gateway.serve([port], {}, { rewrite: '/v1/{rest}' });
    const { issue, headers } = clients(gateway.server);
    const key = await issue('ops', { scopes: ['admin'] });
    const at = ['--url', gateway.server.url, '--key', key];
    const declared =
      'kind: route\nname: all\nspec: {path: "/{rest...}", upstream: main, rewrite: "/v2/{rest}", total_ms: 9000}\n';
    const ask = async () => (await gateway.get('/x')).text();
    expect(await ask()).toBe('/v1/x');

    const dry = await runCli([...at, 'apply', '--dry-run', '-f', '-'], { input: declared });
    expect([dry.code, dry.stdout]).toEqual([0, expect.stringContaining('"/v2/{rest}"')]);
    expect(await ask()).toBe('/v1/x');
    const wrong = declared.replace('{rest}"', '{other}"');
    expect((await runCli([...at, 'apply', '-f', '-'], { input: wrong })).stderr).toContain('RESOURCE_INVALID');
    expect(await ask()).toBe('/v1/x');

    expect((await runCli([...at, 'apply', '-f', '-'], { input: declared })).stdout).toContain('route/all version 2');
    expect(await ask()).toBe('/v2/x');
    expect((await runCli([...at, 'rollback', 'route', 'all', '1'])).stdout).toContain('route/all version 3');
    expect(await ask()).toBe('/v1/x');

    const history = await runCli([...at, 'history', 'route', 'all']);
    const lines = history.stdout.trimEnd().split('\n').slice(1);
    expect(lines.map((line) => /created|changed/.exec(line)?.[0])).toEqual(['created', 'changed', 'changed']);
    expect(lines[1]).toMatch(
      /20\d\d-\d\d-\d\dT.* ops .*rewrite: "\/v1\/\{rest\}" → "\/v2\/\{rest\}", total_ms: null → 9000/,
    );
    const answer = await fetch(`${gateway.server.url}/v1/routes/all/history`, { headers: headers() });
    const text = await answer.text();
    expect([answer.status, text]).toEqual([200, expect.stringContaining('"by":"ops"')]);
  });
});

describe('the records of requests', () => {
  test('are asked who calls what, by HTTP and by the command line', async () => {
    const gateway = await behind((_, response) => void response.end('x'));
    const { url } = gateway.server;
    const at = ['--url', url];
    expect(JSON.parse((await runCli([...at, '--json', 'gateway', 'usage'])).stdout)).toMatchObject({ records: 0 });
    await gateway.get('/a');
    await atLeast(gateway.server, 1);
    const found = await waitFor(
      async () => {
        const answer = await fetch(`${url}/v1/gateway/usage?since=0`);
        const usage = (await answer.json()) as { records: number };
        return usage.records === 1 && usage;
      },
      { what: 'the record to be looked at' },
    );
    expect(found).toEqual({ since: 0, rows: [], records: 1, lost: 0, complete: true });
    expect((await runCli([...at, 'gateway', 'usage', '--since', '1h'])).stdout).toContain('1 records looked at');
    expect((await runCli([...at, 'gateway', 'usage', '--since', 'yesterday'])).code).toBe(2);
    for (const query of ['since=x', 'since=-1', 'other=1', `api=${'a'.repeat(250)}`]) {
      expect([query, (await fetch(`${url}/v1/gateway/usage?${query}`)).status]).toEqual([query, 400]);
    }
  });
});
