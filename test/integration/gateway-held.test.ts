/** What requests hold in the gateway's memory together is bounded, and who finds no room is told to come back. */
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { waitFor } from '#kit';
import { startGateway, startUpstream } from './gateway-fixture.ts';

const BODY_BYTES = 60_000;

test('a body that finds no room is refused with 503 until others are through', async () => {
  const upstream = await startUpstream((request, response) => {
    request.resume().on('end', () => response.end('ok'));
  });
  const gateway = await startGateway(['--gateway-threads', '1', '--limit', 'gatewayHeldBytesMax=100000']);
  await gateway.serve([upstream.port]);
  const slow = connect(gateway.port, '127.0.0.1');
  onTestFinished(() => void slow.destroy());
  let answer = '';
  slow.on('data', (data) => {
    answer += data.toString();
  });
  slow.write(`POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY_BYTES}\r\n\r\n${'x'.repeat(BODY_BYTES - 1)}`);
  const post = () => fetch(`${gateway.url}/x`, { method: 'POST', body: Buffer.alloc(BODY_BYTES) });
  const refused = await waitFor(
    async () => {
      const found = await post();
      return found.status === 503 ? found : undefined;
    },
    { what: 'the slow body to take its room' },
  );
  expect([refused.headers.get('retry-after'), ((await refused.json()) as { code: string }).code]).toEqual([
    '1',
    'GATEWAY_FULL',
  ]);
  await waitFor(() => gateway.metric(/sluice_gateway_full_total (\d+)/), { what: 'the refusal to be counted' });
  slow.write('x');
  await waitFor(() => answer.startsWith('HTTP/1.1 200'), { what: 'the slow one to be answered' });
  expect((await post()).status).toBe(200);
});
