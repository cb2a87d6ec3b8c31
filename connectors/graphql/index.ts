/**
 * Connector `graphql`: any GraphQL API, declared in the endpoint: a query a stream with cursor connections (`pageInfo`), and
 * mutations for writes. An answer with `errors` is a failure, whatever its status.
 */
import {
  at,
  authOf,
  defineHttpConnector,
  type Fields,
  graphqlRules,
  type HttpRequest,
  type HttpStream,
  type HttpWrite,
  type JsonObject,
  verifiedBy,
  withAt,
} from '#connector';
import { graphqlSpec, type MutationConfig, type StreamConfig } from './spec.ts';

export default defineHttpConnector({
  name: 'graphql',
  title: 'GraphQL API',
  description: 'Any GraphQL API, declared in the endpoint: queries with cursor connections, mutations, webhooks.',
  proof: 'emulator',
  can: ['full', 'incremental', 'lookup', 'receive', 'insert', 'update', 'upsert', 'delete'],
  spec: graphqlSpec,
  system: (config) => ({
    settings: config,
    auth: authOf(config.auth),
    headers: config.headers,
    budgets: config.budgets.map(({ requests, per_ms }) => ({ requests, perMs: per_ms })),
    rules: graphqlRules,
    reason: (body) => at(body, 'errors.0.message') as string | undefined,
    check: ask(config.check, {}),
    streams: Object.entries(config.streams).map(([name, stream]) => streamOf(name, stream)),
    webhooks: verifiedBy(config.webhooks),
  }),
});

/** What changes nothing. */
function ask(query: string, variables: JsonObject): HttpRequest {
  return { method: 'POST', path: '', json: { query, variables }, repeatable: true };
}

function streamOf(name: string, declared: StreamConfig): HttpStream {
  const { query, records, page, size_variable, cursor_variable, page_max, variables, key, fields, incremental, one } =
    declared;
  const modes = ['insert', 'update', 'upsert', 'delete'] as const;
  const writes = modes.flatMap((mode) =>
    declared[mode] === undefined ? [] : [[mode, writeOf(declared[mode])] as const],
  );
  return {
    name,
    fields: { ...Object.fromEntries(key.map((one) => [one, 'string'])), ...fields } as Fields,
    primaryKey: key,
    ...(one === undefined ? {} : { one: { request: (variables) => ask(one.query, variables), record: one.record } }),
    read: {
      request: ({ mode, from }) => ({
        ...ask(query, {
          ...variables,
          ...(mode === 'incremental' && incremental?.variable !== undefined && from !== undefined
            ? { [incremental.variable]: from }
            : {}),
        }),
      }),
      records,
      ...(page === undefined
        ? {}
        : {
            paging: {
              kind: 'cursor',
              next: `${page}.endCursor`,
              more: `${page}.hasNextPage`,
              send: { json: `variables.${cursor_variable}` },
              size: { json: `variables.${size_variable}`, max: page_max },
            },
          }),
      ...(incremental === undefined
        ? {}
        : {
            incremental: {
              cursor: incremental.cursor,
              kind: incremental.kind,
              ...(incremental.order === undefined ? {} : { order: incremental.order }),
            },
          }),
    },
    writes: Object.fromEntries(writes),
  };
}

function writeOf({ mutation, variable, body, keys }: MutationConfig): HttpWrite {
  return {
    request: (given) => {
      const input = body === 'all' ? given.record : body === 'rest' ? given.rest : given.keys;
      const variables = variable === '' ? input : withAt({}, variable, input);
      return {
        method: 'POST',
        path: '',
        json: { query: mutation, variables: keys ? { ...given.keys, ...(variables as object) } : variables },
      };
    },
  };
}
