/** Connector slack against the emulator of `emulate`. */
import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { type HttpPlace, httpSuite, startEmulator } from '#kit';
import slack from '../../../connectors/slack/index.ts';

const TOKEN = 'xoxb-emulated';
const SCOPES = [
  'chat:write',
  'channels:read',
  'channels:history',
  'groups:read',
  'groups:history',
  'users:read',
  'users:read.email',
];

httpSuite(slack, async (): Promise<HttpPlace> => {
  const seed = {
    users: [{ name: 'ada' }],
    channels: [{ name: 'one' }],
    tokens: [{ token: TOKEN, user: 'ada', scopes: SCOPES }],
  };
  const { url } = await startEmulator('slack', seed);
  const call = async (method: string, body: object) => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const answer = await fetch(`${url}/api/${method}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await answer.json()) as { ok: boolean; error?: string; channels?: { id: string; name: string }[] };
  };
  const { channels = [] } = await call('conversations.list', {});
  const channel = channels.find(({ name }) => name === 'one')?.id ?? '';
  const config = (at: string) => ({
    url: `${at}/api`,
    token: TOKEN,
    requests_per_minute: 1_000_000,
    messages_per_second: 10_000,
  });
  return {
    url,
    config,
    stream: 'messages',
    mine: ({ text }) => String(text).startsWith('m'),
    cursor: 'ts',
    faulty: (_, path) => path.includes('conversations.history'),
    fill: async (from, to) => {
      for (let i = from; i < to; i++) {
        const { ok, error } = await call('chat.postMessage', { channel, text: `m${i}` });
        if (!ok) throw new Error(error);
      }
    },
    write: {
      row: (i) => ({ channel, text: `m${i} "ünï"` }),
      changed: (row) => row,
      poison: { channel, text: '' },
    },
  };
});

it('answers the challenge, and takes messages that came, changed and went', async () => {
  const signing_secret = 'quiet';
  const connection = await slack.open(slack.spec.parse({ token: TOKEN, signing_secret }), { endpoint: 'hooks' });
  const deliver = (content: object) => {
    const body = Buffer.from(JSON.stringify(content));
    const atMs = Date.now();
    const t = String(Math.floor(atMs / 1000));
    const mac = createHmac('sha256', signing_secret).update(`v0:${t}:`).update(body).digest('hex');
    const headers = { 'x-slack-request-timestamp': t, 'x-slack-signature': `v0=${mac}` };
    return connection.receive?.({ headers, body, atMs });
  };
  expect(await deliver({ type: 'url_verification', challenge: 'say this' })).toMatchObject({
    answer: { body: 'say this' },
  });
  const event = (more: object) =>
    deliver({ type: 'event_callback', event: { type: 'message', channel: 'C1', ...more } });
  expect((await event({ ts: '1.000001', text: 'a' }))?.changes).toMatchObject([
    { stream: 'messages', op: 'insert', after: { channel: 'C1', ts: '1.000001', text: 'a' } },
  ]);
  const changed = { message: { ts: '1.000001', text: 'b' }, previous_message: { ts: '1.000001', text: 'a' } };
  expect((await event({ subtype: 'message_changed', ...changed }))?.changes).toMatchObject([
    { op: 'update', before: { text: 'a' }, after: { text: 'b' } },
  ]);
  expect((await event({ subtype: 'message_deleted', deleted_ts: '1.000001' }))?.changes).toMatchObject([
    { op: 'delete', before: { channel: 'C1', ts: '1.000001' }, after: null },
  ]);
});
