/**
 * Traces through the gateway. The collector here is a small receiver of our own that holds what it is sent to the published
 * JSON encoding of OTLP; it is no OpenTelemetry collector.
 */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startServer, waitFor } from '#kit';
import { atLeast, LOOPBACK, startGateway, startUpstream } from './gateway-fixture.ts';

const whole = z.string().regex(/^\d{1,20}$/);
const value = z.union([
  z.strictObject({ stringValue: z.string() }),
  z.strictObject({ intValue: whole }),
  z.strictObject({ doubleValue: z.number() }),
  z.strictObject({ boolValue: z.boolean() }),
]);
const attributes = z.array(z.strictObject({ key: z.string().min(1), value }));
const span = z.strictObject({
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  spanId: z.string().regex(/^[0-9a-f]{16}$/),
  parentSpanId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  traceState: z.string().optional(),
  flags: z.int().min(0),
  name: z.string().min(1),
  kind: z.int().min(1).max(5),
  startTimeUnixNano: whole,
  endTimeUnixNano: whole,
  attributes,
  status: z.strictObject({ code: z.int().min(0).max(2).optional(), message: z.string().optional() }),
});
const traces = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes }),
      scopeSpans: z.array(z.strictObject({ scope: z.strictObject({ name: z.string() }), spans: z.array(span) })),
    }),
  ),
});
type Span = z.infer<typeof span>;

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

async function startReceiver() {
  const spans: Span[] = [];
  const faults: unknown[] = [];
  const statuses: number[] = [];
  const state = { requests: 0, rejected: 0 };
  const { port } = await startUpstream((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => {
      state.requests++;
      const right = [request.url, request.method, request.headers['content-type'], request.headers['api-key']];
      if (right.join() !== '/v1/traces,POST,application/json,k=1') faults.push(right);
      const status = statuses.shift() ?? 200;
      if (status !== 200) return void response.writeHead(status, { 'retry-after': '0' }).end();
      const read = traces.safeParse(JSON.parse(body));
      if (!read.success) faults.push(read.error);
      else spans.push(...read.data.resourceSpans.flatMap((one) => one.scopeSpans.flatMap((inner) => inner.spans)));
      response.end(
        state.rejected > 0 ? JSON.stringify({ partialSuccess: { rejectedSpans: `${state.rejected}` } }) : '{}',
      );
    });
  });
  const args = ['--otlp-endpoint', `http://127.0.0.1:${port}`, '--otlp-header', 'api-key=k=1'];
  return { spans, faults, statuses, state, args };
}

const attribute = (one: Span | undefined, key: string) =>
  Object.values(one?.attributes.find((found) => found.key === key)?.value ?? {})[0];

describe('a trace', () => {
  test('goes on to the upstream, into the record, and into the answer of a refusal', async () => {
    const seen: (string | undefined)[][] = [];
    const { port } = await startUpstream((request, response) => {
      seen.push([request.headers['traceparent'] as string, request.headers['tracestate'] as string]);
      response.end();
    });
    const gateway = await startGateway();
    await gateway.serve([port]);
    await gateway.put('route', 'locked', { path: '/locked', upstream: 'main', auth: 'key' });
    await gateway.get('/a', { traceparent: PARENT, tracestate: 'x=1' });
    await gateway.get('/b', { traceparent: 'nonsense', tracestate: 'x=1' });
    const refused = await gateway.get('/locked', { traceparent: PARENT });
    expect(seen[0]?.[0]).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$/);
    expect(seen[0]?.[1]).toBe('x=1');
    expect(seen[1]?.[0]).toMatch(/^00-(?!4bf92f3577b34da6)[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(seen[1]?.[1]).toBeUndefined();
    expect(refused.headers.get('x-sluice-trace')).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
    const records = await atLeast(gateway.server, 3);
    const ids = records.map((one) => one['trace']);
    expect(ids.filter((one) => one === '4bf92f3577b34da6a3ce929d0e0e4736').length).toBe(2);
    expect(ids).toContain(seen[1]?.[0]?.slice(3, 35));
  });

  test('is exported as spans in the encoding that is published, and sent again when the collector was busy', async () => {
    const receiver = await startReceiver();
    receiver.statuses.push(503, 429);
    const { port } = await startUpstream((_, response) => void response.end('hello'));
    const gateway = await startGateway(receiver.args);
    await gateway.serve([port], {}, { path: '/orders/{id}' });
    await gateway.put('upstream', 'down', { targets: [{ url: 'http://127.0.0.1:1' }], networks: LOOPBACK });
    await gateway.put('route', 'failing', { path: '/failing', upstream: 'down' });
    await gateway.get('/orders/7?secret=1', { traceparent: PARENT, tracestate: 'x=1' });
    await gateway.get('/orders/8', { traceparent: PARENT.replace(/01$/, '00') });
    await gateway.get('/failing');
    await waitFor(() => receiver.spans.length === 2, { what: 'two spans' });
    expect(receiver.faults).toEqual([]);
    const good = receiver.spans.find((one) => one.name === 'GET /orders/{id}');
    expect(good).toMatchObject({
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      parentSpanId: '00f067aa0ba902b7',
      traceState: 'x=1',
      kind: 2,
      status: {},
    });
    expect(attribute(good, 'http.response.status_code')).toBe('200');
    expect(attribute(good, 'http.route')).toBe('/orders/{id}');
    expect(BigInt(good?.endTimeUnixNano ?? 0) > BigInt(good?.startTimeUnixNano ?? 0)).toBe(true);
    const bad = receiver.spans.find((one) => one !== good);
    expect([bad?.name, bad?.status.code, bad?.parentSpanId]).toEqual(['GET /failing', 2, undefined]);
    expect(attribute(bad, 'error.type')).toBe('UPSTREAM_UNREACHABLE');
    expect(JSON.stringify(receiver.spans)).not.toContain('secret');
    const told = /^sluice_gateway_spans_exported_total (\d+)/m;
    await waitFor(async () => (await gateway.metric(told)) === 2, { what: 'the count' });
  });

  test('that the collector does not take is lost and counted, and holds up neither requests nor the way down', async () => {
    const receiver = await startReceiver();
    const { port } = await startUpstream((_, response) => void response.end('hello'));
    const gateway = await startGateway(receiver.args);
    await gateway.serve([port]);
    receiver.state.rejected = 1;
    await gateway.get('/a');
    const lost = () => gateway.metric(/^sluice_gateway_spans_lost_total (\d+)/m);
    await waitFor(async () => (await lost()) === 1, { what: 'a rejected span to be counted' });
    receiver.statuses.push(400);
    await gateway.get('/b');
    await waitFor(async () => (await lost()) === 2, { what: 'a refused export to be counted' });
    await gateway.get('/c');
    expect(await gateway.server.stop()).toEqual({ code: 0, signal: null });
    expect(receiver.spans.length).toBe(2);
  });

  test('has no collector whose address or headers are none', async () => {
    for (const args of [
      ['--otlp-endpoint', 'collector:4318'],
      ['--otlp-endpoint', 'http://127.0.0.1:4318', '--otlp-header', 'nothing'],
      ['--otlp-endpoint', 'http://127.0.0.1:4318', '--otlp-percent', '101'],
    ]) {
      await expect(startServer({ args })).rejects.toThrow(/collector|percent/);
    }
  });
});
