/** Connector github against the emulator of `emulate`. */
import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { type HttpPlace, httpSuite, startEmulator } from '#kit';
import github from '../../../connectors/github/index.ts';

const TOKEN = 'test-token';

async function place() {
  const seed = { users: [{ login: 'ada' }], repos: [{ owner: 'ada', name: 'engine', auto_init: true }] };
  const { url } = await startEmulator('github', seed, { [TOKEN]: { login: 'ada', scopes: ['repo', 'user'] } });
  const call = async (method: string, path: string, body: object) => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const answer = await fetch(`${url}/repos/ada/engine${path}`, { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  };
  const config = (at: string) => ({
    url: at,
    token: TOKEN,
    repositories: ['ada/engine'],
    writes_per_minute: 100_000,
  });
  return { url, call, config, refused: (at: string) => ({ ...config(at), token: undefined }) };
}

const title = (i: number) => `issue ${String(i).padStart(3, '0')}`;

httpSuite(github, async (): Promise<HttpPlace> => {
  const { call, ...rest } = await place();
  return {
    ...rest,
    stream: 'issues',
    cursor: 'updated_at',
    fill: async (from, to) => {
      for (let i = from; i < to; i++) await call('POST', '/issues', { title: title(i) });
    },
    write: {
      row: (i) => ({ owner: 'ada', repo: 'engine', title: title(i), body: 'ünï\n"codé"' }),
      changed: (row) => row,
      poison: { owner: 'ada', repo: 'engine', title: '' },
    },
  };
});

httpSuite(github, async (): Promise<HttpPlace> => {
  const { call, ...rest } = await place();
  return {
    ...rest,
    stream: 'labels',
    mine: ({ name }) => String(name).startsWith('l/'),
    fill: async (from, to) => {
      for (let i = from; i < to; i++) await call('POST', '/labels', { name: `l/${i}`, color: '00ff00' });
    },
    write: {
      row: (i) => ({ owner: 'ada', repo: 'engine', name: `l/${i} x`, color: 'ff0000', description: 'one' }),
      changed: (row) => ({ ...row, description: 'two' }),
      poison: { owner: 'ada', repo: 'engine', name: '', color: 'ff0000' },
    },
  };
});

it('takes webhooks that are signed, and tells what they change', async () => {
  const secret = 'quiet';
  const connection = await github.open(github.spec.parse({ webhook_secret: secret }), { endpoint: 'hooks' });
  const repository = { name: 'engine', owner: { login: 'ada' } };
  const issue = { number: 9007199254740993n, title: 'x', updated_at: '2026-11-25T01:02:03Z' };
  const text = JSON.stringify({ action: 'opened', repository, issue: { ...issue, number: 7 } }).replace(
    ':7',
    ':9007199254740993',
  );
  const body = Buffer.from(text);
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
  const headers = { 'x-hub-signature-256': signature, 'x-github-event': 'issues', 'x-github-delivery': 'd1' };
  const received = await connection.receive?.({ headers, body, atMs: Date.now() });
  expect(received).toMatchObject({
    id: 'd1',
    changes: [
      {
        stream: 'issues',
        op: 'insert',
        at: issue.updated_at,
        after: { owner: 'ada', repo: 'engine', number: issue.number },
      },
    ],
  });
  const other = { ...headers, 'x-hub-signature-256': signature.replace(/.$/, (last) => (last === '0' ? '1' : '0')) };
  await expect(connection.receive?.({ headers: other, body, atMs: 0 })).rejects.toMatchObject({
    code: 'SIGNATURE_INVALID',
  });
  await expect(connection.receive?.({ headers: {}, body, atMs: 0 })).rejects.toMatchObject({
    code: 'SIGNATURE_MISSING',
  });
});
