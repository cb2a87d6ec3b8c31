/** Connector `linear`: issues, comments, labels, projects, teams and users of a workspace; the first three are written too. */
import { z } from 'zod';
import {
  at,
  defineHttpConnector,
  type Fields,
  graphqlRules,
  type HttpRequest,
  type HttpStream,
  type HttpWrite,
  httpSettings,
  type JsonObject,
  pick,
  secretText,
  type WebhookChange,
} from '#connector';

const TIMES: Fields = { createdAt: 'timestamp', updatedAt: 'timestamp' };
const PAGE_MAX = 250;
/** Streams by the type that webhooks name. */
const BY_TYPE: Readonly<Record<string, string>> = {
  Issue: 'issues',
  Comment: 'comments',
  IssueLabel: 'labels',
  Project: 'projects',
};

interface Declared {
  readonly name: string;
  /** Of the connection, of one record, and what both are asked for. */
  readonly many: string;
  readonly one: string;
  readonly asks: string;
  readonly fields: Fields;
  /** Of mutations, and their members. */
  readonly mutates?: readonly [name: string, insert: readonly string[], update: readonly string[]];
}

const STREAMS: readonly Declared[] = [
  {
    name: 'issues',
    many: 'issues',
    one: 'issue',
    asks: 'id identifier number title description priority dueDate createdAt updatedAt completedAt canceledAt team { id } state { id name } assignee { id }',
    fields: {
      id: 'string',
      identifier: 'string',
      number: 'int64',
      title: 'string',
      description: 'string',
      priority: 'int32',
      dueDate: 'date',
      teamId: { type: 'string', from: 'team.id' },
      stateId: { type: 'string', from: 'state.id' },
      assigneeId: { type: 'string', from: 'assignee.id' },
      ...TIMES,
      completedAt: 'timestamp',
      canceledAt: 'timestamp',
    },
    mutates: [
      'issue',
      ['teamId', 'title', 'description', 'priority', 'stateId', 'assigneeId', 'dueDate'],
      ['title', 'description', 'priority', 'stateId', 'assigneeId', 'dueDate'],
    ],
  },
  {
    name: 'comments',
    many: 'comments',
    one: 'comment',
    asks: 'id body createdAt updatedAt issue { id } user { id }',
    fields: {
      id: 'string',
      body: 'string',
      issueId: { type: 'string', from: 'issue.id' },
      userId: { type: 'string', from: 'user.id' },
      ...TIMES,
    },
    mutates: ['comment', ['issueId', 'body'], ['body']],
  },
  {
    name: 'labels',
    many: 'issueLabels',
    one: 'issueLabel',
    asks: 'id name color description createdAt updatedAt team { id }',
    fields: {
      id: 'string',
      name: 'string',
      color: 'string',
      description: 'string',
      teamId: { type: 'string', from: 'team.id' },
      ...TIMES,
    },
    mutates: ['issueLabel', ['name', 'color', 'description', 'teamId'], ['name', 'color', 'description']],
  },
  {
    name: 'projects',
    many: 'projects',
    one: 'project',
    asks: 'id name description state createdAt updatedAt',
    fields: { id: 'string', name: 'string', description: 'string', state: 'string', ...TIMES },
  },
  {
    name: 'teams',
    many: 'teams',
    one: 'team',
    asks: 'id key name description createdAt updatedAt',
    fields: { id: 'string', key: 'string', name: 'string', description: 'string', ...TIMES },
  },
  {
    name: 'users',
    many: 'users',
    one: 'user',
    asks: 'id name email active createdAt updatedAt',
    fields: { id: 'string', name: 'string', email: 'string', active: 'boolean', ...TIMES },
  },
];

function ask(query: string, variables: JsonObject = {}): HttpRequest {
  return { method: 'POST', path: '', json: { query, variables }, repeatable: true };
}

function streamOf({ name, many, one, asks, fields, mutates }: Declared): HttpStream {
  return {
    name,
    fields,
    primaryKey: ['id'],
    one: {
      request: ({ id }) => ask(`query($id: String!) { ${one}(id: $id) { ${asks} } }`, { id }),
      record: `data.${one}`,
    },
    read: {
      request: ask(
        `query($first: Int, $after: String) { ${many}(first: $first, after: $after) { nodes { ${asks} } pageInfo { hasNextPage endCursor } } }`,
      ),
      records: `data.${many}.nodes`,
      paging: {
        kind: 'cursor',
        next: `data.${many}.pageInfo.endCursor`,
        more: `data.${many}.pageInfo.hasNextPage`,
        send: { json: 'variables.after' },
        size: { json: 'variables.first', max: PAGE_MAX },
      },
    },
    ...(mutates === undefined ? {} : { writes: writesOf(...mutates) }),
  };
}

function writesOf(
  name: string,
  insert: readonly string[],
  update: readonly string[],
): NonNullable<HttpStream['writes']> {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}`;
  const mutation = (
    declared: string,
    call: string,
    variables: (given: Parameters<HttpWrite['request']>[0]) => JsonObject,
  ): HttpWrite => ({
    request: (given) => ({
      method: 'POST',
      path: '',
      json: { query: `mutation(${declared}) { ${call} { success } }`, variables: variables(given) },
    }),
  });
  return {
    insert: mutation(`$input: ${type}CreateInput!`, `${name}Create(input: $input)`, ({ record }) => ({
      input: pick(record, insert),
    })),
    update: mutation(
      `$id: String!, $input: ${type}UpdateInput!`,
      `${name}Update(id: $id, input: $input)`,
      ({ record, keys }) => ({
        id: keys['id'],
        input: pick(record, update),
      }),
    ),
    delete: mutation('$id: String!', `${name}Delete(id: $id)`, ({ keys }) => ({ id: keys['id'] })),
  };
}

function changesOf(body: unknown): readonly WebhookChange[] {
  const stream = BY_TYPE[String(at(body, 'type'))];
  const record = at(body, 'data') as JsonObject | undefined;
  if (stream === undefined || record === undefined) return [];
  const action = at(body, 'action');
  const created = at(body, 'createdAt');
  return [
    {
      stream,
      op: action === 'remove' ? 'delete' : action === 'create' ? 'insert' : 'update',
      record,
      ...(typeof created === 'string' ? { at: created } : {}),
    },
  ];
}

export default defineHttpConnector({
  name: 'linear',
  title: 'Linear',
  description: 'Issues, comments, labels, projects, teams and users of a workspace, read and written by GraphQL.',
  proof: 'emulator',
  can: ['full', 'lookup', 'receive', 'insert', 'update', 'delete'],
  spec: z.strictObject({
    ...httpSettings('https://api.linear.app/graphql'),
    api_key: secretText('Personal API key').optional(),
    token: secretText('OAuth access token, instead of a key').optional(),
    webhook_secret: secretText('Signing secret of the webhook').optional(),
  }),
  system: ({ api_key, token, webhook_secret, ...settings }) => ({
    settings,
    auth:
      api_key !== undefined
        ? { kind: 'key', in: 'header', name: 'authorization', value: api_key }
        : token !== undefined
          ? { kind: 'bearer', token }
          : { kind: 'none' },
    budgets: [{ requests: 1_500, perMs: 3_600_000 }],
    rules: graphqlRules,
    reason: (body) => at(body, 'errors.0.message') as string | undefined,
    check: ask('{ viewer { id } }'),
    streams: STREAMS.map(streamOf),
    webhooks: {
      signature:
        webhook_secret === undefined
          ? undefined
          : {
              kind: 'hmac',
              secrets: [webhook_secret],
              header: 'linear-signature',
              id: 'linear-delivery',
              sentAt: ({ body }) =>
                Number(at(JSON.parse(Buffer.from(body).toString()), 'webhookTimestamp')) || undefined,
            },
      changes: changesOf,
    },
  }),
});
