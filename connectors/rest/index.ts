/**
 * Connector `rest`: any API that speaks JSON (or NDJSON, CSV, XML) over HTTP, declared in the endpoint itself: no code. What a
 * stream is asked for, how it is paged, by what it is read incrementally and how it is written is in `streams`.
 */
import { authOf, defineHttpConnector, verifiedBy } from '#connector';
import { restSpec } from './spec.ts';
import { streamsOf } from './streams.ts';

export default defineHttpConnector({
  name: 'rest',
  title: 'REST API',
  description: 'Any HTTP API, declared in the endpoint: paging, cursors, parents and children, writes, webhooks.',
  proof: 'emulator',
  can: ['full', 'incremental', 'lookup', 'receive', 'insert', 'update', 'upsert', 'delete', 'append'],
  spec: restSpec,
  system: (config) => ({
    settings: config,
    auth: authOf(config.auth),
    headers: config.headers,
    budgets: config.budgets.map(({ requests, per_ms, methods }) => ({
      requests,
      perMs: per_ms,
      ...(methods === undefined ? {} : { match: ({ method = 'GET' as const }) => methods.includes(method) }),
    })),
    rules: config.rules.map(({ status, text, then }) => ({
      ...(status === undefined ? {} : { status }),
      ...(text === undefined ? {} : { text: new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i') }),
      then,
    })),
    check: { ...config.check },
    streams: (ask) => streamsOf(config.streams, ask),
    webhooks: verifiedBy(config.webhooks),
  }),
});
