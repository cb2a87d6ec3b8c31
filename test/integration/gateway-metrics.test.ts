/** The gateway's metrics as Prometheus scrapes them: what an operator looks at when something is wrong. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { waitFor } from '#kit';
import { LOOPBACK, startGateway, startUpstream } from './gateway-fixture.ts';

type Samples = Map<string, number>;

/** A page in the text format 0.0.4, held to its grammar: each sample belongs to a family that was described before it. */
function parse(page: string): Samples {
  const samples: Samples = new Map();
  const types = new Map<string, string>();
  for (const line of page.trimEnd().split('\n')) {
    const described = /^# (HELP|TYPE) ([a-z_][a-z0-9_]*) (.+)$/.exec(line);
    if (described !== null) {
      if (described[1] === 'TYPE') types.set(described[2] as string, described[3] as string);
      continue;
    }
    const [, name = '', labels = '', value = ''] =
      /^([a-z_][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (-?[0-9.e+-]+|NaN|\+Inf)$/.exec(line) ?? [];
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    expect([line, types.has(family)]).toEqual([line, true]);
    if (types.get(family) === 'counter') expect(name).toMatch(/_total$/);
    expect([line, samples.has(name + labels)]).toEqual([line, false]);
    samples.set(name + labels, Number(value));
  }
  return samples;
}

describe('the metrics of the gateway', () => {
  test('tell of routes, errors, upstreams, targets and what is under way', async () => {
    let hold: (() => void) | undefined;
    const upstream = await startUpstream((request, response) => {
      if (request.url !== '/hold') return void response.end('hello');
      hold = () => response.end('held');
    });
    new WebSocketServer({ server: upstream.server });
    const gateway = await startGateway();
    await gateway.serve([upstream.port], {}, { websocket: true });
    await gateway.put('upstream', 'down', {
      targets: [{ url: 'http://127.0.0.1:1' }],
      networks: LOOPBACK,
      attempts_max: 1,
      breaker: { failures: 1, open_ms: 600_000, open_ms_max: 600_000 },
    });
    await gateway.put('route', 'failing', { path: '/failing', upstream: 'down' });
    const limits = [{ name: 'few', limit: 1, window_s: 3_600, by: ['address'] }];
    await gateway.put('route', 'few', { path: '/few', upstream: 'main', rate_limits: { limits } });

    expect(await (await fetch(`${gateway.url}/x`, { method: 'POST', body: '12345' })).text()).toBe('hello');
    expect((await gateway.get('/failing')).status).toBe(502);
    expect([(await gateway.get('/few')).status, (await gateway.get('/few')).status]).toEqual([200, 429]);
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/ws`);
    await once(socket, 'open');
    const held = gateway.get('/hold');
    await waitFor(() => hold, { what: 'the request to arrive' });

    const scrape = async () => parse(await (await fetch(`${gateway.server.url}/metrics`)).text());
    const main = `{upstream="main",target="http://127.0.0.1:${upstream.port}"}`;
    const down = '{upstream="down",target="http://127.0.0.1:1"}';
    const expected: [string, number][] = [
      ['sluice_gateway_requests_total{route="all",status="2xx"}', 1],
      ['sluice_gateway_requests_total{route="few",status="4xx"}', 1],
      ['sluice_gateway_requests_total{route="failing",status="5xx"}', 1],
      ['sluice_gateway_request_seconds_count{route="all"}', 1],
      ['sluice_gateway_request_seconds_bucket{route="few",le="+Inf"}', 2],
      ['sluice_gateway_errors_total{route="few",code="RATE_LIMITED"}', 1],
      ['sluice_gateway_errors_total{route="failing",code="UPSTREAM_UNREACHABLE"}', 1],
      ['sluice_gateway_request_bytes_total{route="all"}', 5],
      ['sluice_gateway_answer_bytes_total{route="all"}', 5],
      ['sluice_gateway_upstream_seconds_count{upstream="main"}', 2],
      [`sluice_gateway_ejections_total${down}`, 1],
      [`sluice_gateway_target_breaker_open_threads${down}`, 1],
      [`sluice_gateway_target_available_threads${down}`, 1],
      [`sluice_gateway_target_available_threads${main}`, 2],
      [`sluice_gateway_target_requests_in_flight${main}`, 2],
      ['sluice_gateway_requests_in_flight', 1],
      ['sluice_gateway_websockets_open', 1],
      ['sluice_gateway_threads', 2],
    ];
    const found = await waitFor(
      async () => {
        const samples = await scrape();
        return expected.every(([name, value]) => samples.get(name) === value) && samples;
      },
      { what: 'the metrics to tell of all of it' },
    ).catch(scrape);
    expect(expected.map(([name]) => [name, found.get(name)])).toEqual(expected);

    hold?.();
    await (await held).text();
    socket.close();
    await once(socket, 'close');
    await waitFor(
      async () => {
        const samples = await scrape();
        const gone = ['sluice_gateway_requests_in_flight', 'sluice_gateway_websockets_open'];
        return gone.every((name) => samples.get(name) === 0);
      },
      { what: 'nothing to be under way' },
    );
  });
});
