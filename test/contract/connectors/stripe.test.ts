/** Connector stripe against the emulator of `emulate`. */
import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { type HttpPlace, httpSuite, startEmulator } from '#kit';
import stripe from '../../../connectors/stripe/index.ts';

const KEY = 'sk_test_emulated';

httpSuite(stripe, async (): Promise<HttpPlace> => {
  const { url } = await startEmulator('stripe');
  return {
    url,
    config: (at) => ({ url: `${at}/v1`, key: KEY, requests_per_second: 10_000 }),
    stream: 'customers',
    mine: ({ name }) => /^c\d/.test(String(name)),
    cursor: 'created',
    orderMatters: true,
    fill: async (from, to) => {
      for (let i = from; i < to; i++) {
        const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/x-www-form-urlencoded' };
        await fetch(`${url}/v1/customers`, { method: 'POST', headers, body: `name=c${i}` });
      }
    },
    write: {
      row: (i) => ({ name: `c${i}`, email: `${i}@example.com`, metadata: `{"number":"${i}","of":"tést"}` }),
      changed: (row) => row,
    },
  };
});

it('takes signed events with what changed, and none that are old', async () => {
  const webhook_secret = 'whsec_quiet';
  const connection = await stripe.open(stripe.spec.parse({ key: KEY, webhook_secret }), { endpoint: 'hooks' });
  const object = { object: 'customer', id: 'cus_1', name: 'new', created: 1 };
  const data = { object, previous_attributes: { name: 'old' } };
  const body = Buffer.from(JSON.stringify({ id: 'evt_1', type: 'customer.updated', created: 1_764_000_000, data }));
  const atMs = Date.now();
  const signed = (at: number) => {
    const t = Math.floor(at / 1000);
    const mac = createHmac('sha256', webhook_secret).update(`${t}.`).update(body).digest('hex');
    return { headers: { 'stripe-signature': `t=${t},v1=${'0'.repeat(64)},v1=${mac}` }, body, atMs };
  };
  const received = await connection.receive?.(signed(atMs));
  expect(received?.changes).toMatchObject([
    {
      stream: 'customers',
      op: 'update',
      before: { id: 'cus_1', name: 'old' },
      after: { name: 'new' },
      at: '2025-11-24T16:00:00.000Z',
    },
  ]);
  await expect(connection.receive?.(signed(atMs - 301_000))).rejects.toMatchObject({ code: 'SIGNATURE_EXPIRED' });
});
