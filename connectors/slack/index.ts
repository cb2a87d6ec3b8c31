/**
 * Connector `slack`: channels, users, and the messages of channels, which are posted, changed and deleted too. Events of the
 * Events API give messages as they come. Slack answers 200 to everything and says in the body what went wrong.
 */
import { z } from 'zod';
import {
  at,
  defineHttpConnector,
  type ErrorRule,
  type HttpRequest,
  type HttpStream,
  httpSettings,
  type JsonObject,
  type Paging,
  type ReadScope,
  secretText,
  type WebhookChange,
} from '#connector';

const REFUSED = [
  'not_authed',
  'invalid_auth',
  'account_inactive',
  'token_revoked',
  'token_expired',
  'no_permission',
  'missing_scope',
];
const MISSING = ['message_not_found', 'channel_not_found', 'user_not_found', 'users_not_found'];
const BUSY = ['internal_error', 'fatal_error', 'service_unavailable', 'request_timeout'];
const TS_DIGITS = 6;
const PAGING: Paging = {
  kind: 'cursor',
  next: 'response_metadata.next_cursor',
  send: { form: 'cursor' },
  size: { form: 'limit', max: 200 },
};

const said = (words: readonly string[], then: ErrorRule['then']): ErrorRule => ({
  when: ({ body }) => at(body, 'ok') === false && words.includes(String(at(body, 'error'))),
  then,
});
const RULES: readonly ErrorRule[] = [
  said(['ratelimited', 'rate_limited'], 'limited'),
  said(REFUSED, 'refused'),
  said(MISSING, 'missing'),
  said(BUSY, 'retry'),
  { when: ({ body }) => at(body, 'ok') === false, then: 'reject' },
];

/** A method that only asks. Parameters go as a form, which all methods take. */
function ask(method: string, form: NonNullable<HttpRequest['form']> = {}): HttpRequest {
  return { method: 'POST', path: `/${method}`, form, repeatable: true };
}

function streams(): readonly HttpStream[] {
  return [
    {
      name: 'channels',
      fields: {
        id: 'string',
        name: 'string',
        is_private: 'boolean',
        is_archived: 'boolean',
        created: 'int64',
        topic: 'json',
        purpose: 'json',
      },
      primaryKey: ['id'],
      read: {
        request: ask('conversations.list', { types: 'public_channel,private_channel' }),
        records: 'channels',
        paging: PAGING,
      },
    },
    {
      name: 'users',
      fields: {
        id: 'string',
        name: 'string',
        real_name: 'string',
        is_bot: 'boolean',
        deleted: 'boolean',
        email: { type: 'string', from: 'profile.email' },
        updated: 'int64',
      },
      primaryKey: ['id'],
      read: { request: ask('users.list'), records: 'members', paging: PAGING },
    },
    {
      name: 'messages',
      fields: {
        channel: 'string',
        ts: 'string',
        user: 'string',
        text: 'string',
        thread_ts: 'string',
        subtype: 'string',
        reactions: 'json',
      },
      primaryKey: ['channel', 'ts'],
      read: {
        request: ({ partition, from }) =>
          ask('conversations.history', {
            channel: String(partition['channel']),
            oldest: oldest(from),
            inclusive: true,
          }),
        records: 'messages',
        paging: PAGING,
        partitions: { parent: 'channels', values: { channel: 'id' } },
        incremental: { cursor: 'ts', kind: 'counter', order: 'newest first' },
      },
      writes: {
        insert: {
          request: ({ record }) => ({ method: 'POST', path: '/chat.postMessage', json: record }),
          ordered: true,
        },
        update: { request: ({ record }) => ({ method: 'POST', path: '/chat.update', json: record, repeatable: true }) },
        delete: { request: ({ keys }) => ({ method: 'POST', path: '/chat.delete', json: keys, repeatable: true }) },
      },
    },
  ];
}

function oldest(from: ReadScope['from']): string | undefined {
  return from === undefined ? undefined : Number(from).toFixed(TS_DIGITS);
}

function changesOf(body: unknown): readonly WebhookChange[] {
  const event = at(body, 'event') as JsonObject | undefined;
  if (event?.['type'] !== 'message') return [];
  const { channel, subtype } = event;
  const time = Number(at(body, 'event_time'));
  const more = {
    ...(time > 0 ? { at: new Date(time * 1000).toISOString() } : {}),
    position: String(at(body, 'event_id') ?? ''),
  };
  if (subtype === 'message_deleted') {
    return [{ stream: 'messages', op: 'delete', record: { channel, ts: event['deleted_ts'] }, ...more }];
  }
  const changed = subtype === 'message_changed';
  const record = changed ? (event['message'] as JsonObject) : event;
  const before = changed ? (event['previous_message'] as JsonObject | undefined) : undefined;
  return [
    {
      stream: 'messages',
      op: changed ? 'update' : 'insert',
      record: { ...record, channel },
      ...(before === undefined ? {} : { before: { ...before, channel } }),
      ...more,
    },
  ];
}

export default defineHttpConnector({
  name: 'slack',
  title: 'Slack',
  description:
    'Channels, users and messages of a workspace; messages are posted, changed and deleted, and come by events.',
  proof: 'emulator',
  can: ['full', 'incremental', 'receive', 'insert', 'update', 'delete'],
  spec: z.strictObject({
    ...httpSettings('https://slack.com/api'),
    token: secretText('Token of the bot or the user'),
    requests_per_minute: z.int().min(1).default(50).describe('Of methods that read; Slack takes 50 of most'),
    messages_per_second: z.int().min(1).default(1).describe('Slack takes one a channel'),
    signing_secret: secretText('Signing secret of the app, for events').optional(),
  }),
  system: (config) => ({
    settings: config,
    auth: { kind: 'bearer', token: config.token },
    budgets: [
      { requests: config.requests_per_minute, perMs: 60_000, match: ({ path }) => !path.includes('/chat.') },
      { requests: config.messages_per_second, perMs: 1_000, match: ({ path }) => path.includes('/chat.') },
    ],
    rules: RULES,
    check: ask('auth.test'),
    streams: streams(),
    webhooks: {
      signature: config.signing_secret === undefined ? undefined : { kind: 'slack', secrets: [config.signing_secret] },
      challenge: (body) => (at(body, 'type') === 'url_verification' ? String(at(body, 'challenge')) : undefined),
      changes: changesOf,
    },
  }),
});
