/** Connector rest, declared for the GitHub and the Stripe of `emulate`: link headers, cursors, forms, upserts, partitions. */
import { type HttpPlace, httpSuite, startEmulator } from '#kit';
import rest from '../../../connectors/rest/index.ts';

const TOKEN = 'test-token';
const auth = { kind: 'bearer', token: TOKEN };

httpSuite(rest, async (): Promise<HttpPlace> => {
  const seed = { users: [{ login: 'ada' }], repos: [{ owner: 'ada', name: 'engine', auto_init: true }] };
  const { url } = await startEmulator('github', seed, { [TOKEN]: { login: 'ada', scopes: ['repo', 'user'] } });
  const repository = '/repos/{owner}/{repo}';
  return {
    url,
    config: (at) => ({
      url: at,
      auth,
      check: { path: '/user' },
      streams: {
        repositories: { path: '/user/repos', key: ['id'], fields: { owner: { type: 'string', from: 'owner.login' } } },
        issues: {
          path: `${repository}/issues`,
          query: { state: 'all', sort: 'created', direction: 'asc' },
          key: ['id'],
          partitions: { parent: 'repositories', values: { owner: 'owner', repo: 'name' } },
          paging: { kind: 'link', size: { query: 'per_page', max: 100 } },
          incremental: { cursor: 'updated_at', from: 'since', query: { sort: 'updated' }, order: 'ascending' },
          insert: { path: `${repository}/issues` },
        },
      },
    }),
    refused: (at) => ({ url: at, check: { path: '/user' }, streams: {} }),
    stream: 'issues',
    cursor: 'updated_at',
    fill: async (from, to) => {
      for (let i = from; i < to; i++) await send(`${url}/repos/ada/engine/issues`, JSON.stringify({ title: `t${i}` }));
    },
    write: {
      row: (i) => ({ owner: 'ada', repo: 'engine', title: `t${i}` }),
      changed: (row) => row,
      poison: { owner: 'ada', repo: 'engine', title: '' },
    },
  };
});

httpSuite(rest, async (): Promise<HttpPlace> => {
  const { url } = await startEmulator('stripe');
  return {
    url,
    config: (at) => ({
      url: `${at}/v1`,
      auth,
      check: { path: '/customers', query: { limit: 1 } },
      streams: {
        customers: {
          path: '/customers',
          key: ['id'],
          records: 'data',
          paging: {
            kind: 'cursor',
            next: 'data.*.id',
            more: 'has_more',
            send: { query: 'starting_after' },
            size: { query: 'limit', max: 100 },
          },
          insert: { path: '/customers', form: true, idempotency_header: 'idempotency-key' },
          update: { path: '/customers/{id}', form: true, body: 'rest' },
          delete: { method: 'DELETE', path: '/customers/{id}', body: 'none' },
        },
      },
    }),
    stream: 'customers',
    orderMatters: true,
    mine: ({ name }) => /^c\d/.test(String(name)),
    fill: async (from, to) => {
      for (let i = from; i < to; i++)
        await send(`${url}/v1/customers`, `name=c${i}`, 'application/x-www-form-urlencoded');
    },
    write: { row: (i) => ({ name: `c${i}`, email: `${i}@example.com` }), changed: (row) => row },
  };
});

async function send(address: string, body: string, type = 'application/json'): Promise<void> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': type };
  const answer = await fetch(address, { method: 'POST', headers, body });
  if (!answer.ok) throw new Error(`${address}: ${answer.status} ${await answer.text()}`);
}
