/**
 * Connector `stripe`: customers, products, prices, payment intents, charges, payment methods, invoices, subscriptions and events.
 * Lists come newest first and are read by `created`; what changes later is told by webhooks, and by the stream `events`.
 */
import { z } from 'zod';
import {
  at,
  defineHttpConnector,
  type Fields,
  formOf,
  type HttpStream,
  type HttpWrite,
  httpSettings,
  type JsonObject,
  pick,
  secretText,
  type WebhookChange,
} from '#connector';

const OBJECT: Fields = { id: 'string', created: 'int64', livemode: 'boolean', metadata: 'json' };
const MONEY: Fields = {
  amount: 'int64',
  currency: 'string',
  customer: 'string',
  status: 'string',
  description: 'string',
};

interface Declared {
  readonly path: string;
  readonly fields: Fields;
  /** Members that may be given; none: it is only read. */
  readonly insert?: readonly string[];
  readonly update?: readonly string[];
  readonly deletes?: true;
}

/** By the name of the object in events. */
const STREAMS: Readonly<Record<string, Declared>> = {
  customer: {
    path: 'customers',
    fields: { ...OBJECT, name: 'string', email: 'string', phone: 'string', description: 'string', currency: 'string' },
    insert: ['name', 'email', 'phone', 'description', 'metadata'],
    update: ['name', 'email', 'phone', 'description', 'metadata'],
    deletes: true,
  },
  product: {
    path: 'products',
    fields: { ...OBJECT, name: 'string', active: 'boolean', description: 'string', updated: 'int64' },
    insert: ['id', 'name', 'active', 'description', 'metadata'],
    update: ['name', 'active', 'description', 'metadata'],
  },
  price: {
    path: 'prices',
    fields: {
      ...OBJECT,
      product: 'string',
      active: 'boolean',
      currency: 'string',
      unit_amount: 'int64',
      recurring: 'json',
    },
    insert: ['product', 'currency', 'unit_amount', 'active', 'recurring', 'metadata'],
    update: ['active', 'metadata'],
  },
  payment_intent: {
    path: 'payment_intents',
    fields: { ...OBJECT, ...MONEY },
    insert: ['amount', 'currency', 'customer', 'description', 'metadata'],
    update: ['amount', 'currency', 'customer', 'description', 'metadata'],
  },
  charge: { path: 'charges', fields: { ...OBJECT, ...MONEY, paid: 'boolean', refunded: 'boolean' } },
  invoice: {
    path: 'invoices',
    fields: { ...OBJECT, customer: 'string', status: 'string', total: 'int64', currency: 'string' },
  },
  subscription: { path: 'subscriptions', fields: { ...OBJECT, customer: 'string', status: 'string', items: 'json' } },
  event: { path: 'events', fields: { ...OBJECT, type: 'string', data: 'json', api_version: 'string' } },
};

function streamOf({ path, fields, insert, update, deletes }: Declared): HttpStream {
  const write = (target: string, members: readonly string[]): HttpWrite => ({
    request: ({ record }) => ({ method: 'POST', path: target, form: formOf(pick(record, members)) }),
    idempotencyHeader: 'idempotency-key',
  });
  return {
    name: path,
    fields,
    primaryKey: ['id'],
    one: { request: { path: `/${path}/{id}` }, record: '' },
    read: {
      request: ({ from }) => ({ path: `/${path}`, query: { 'created[gte]': from } }),
      records: 'data',
      paging: {
        kind: 'cursor',
        next: 'data.*.id',
        more: 'has_more',
        send: { query: 'starting_after' },
        size: { query: 'limit', max: 100 },
      },
      incremental: { cursor: 'created', kind: 'counter' },
    },
    writes: {
      ...(insert === undefined ? {} : { insert: write(`/${path}`, insert) }),
      ...(update === undefined ? {} : { update: write(`/${path}/{id}`, update) }),
      ...(deletes === undefined ? {} : { delete: { request: () => ({ method: 'DELETE', path: `/${path}/{id}` }) } }),
    },
  };
}

/** An event carries the object as it is after it, and what its changed members were. */
function changesOf(body: unknown): readonly WebhookChange[] {
  const record = at(body, 'data.object') as JsonObject | undefined;
  const type = String(at(body, 'type'));
  const declared = STREAMS[String(record?.['object'])];
  if (record === undefined || declared === undefined) return [];
  const op = type.endsWith('.deleted') ? 'delete' : type.endsWith('.created') ? 'insert' : 'update';
  const previous = at(body, 'data.previous_attributes') as JsonObject | undefined;
  const created = Number(at(body, 'created'));
  return [
    {
      stream: declared.path,
      op,
      record,
      ...(previous === undefined ? {} : { before: { ...record, ...previous } }),
      ...(created > 0 ? { at: new Date(created * 1000).toISOString() } : {}),
      position: String(at(body, 'id') ?? created),
    },
  ];
}

export default defineHttpConnector({
  name: 'stripe',
  title: 'Stripe',
  description:
    'Customers, products, prices, payments, invoices and events; customers, products, prices and payment intents are written.',
  proof: 'emulator',
  can: ['full', 'incremental', 'lookup', 'receive', 'insert', 'update', 'delete'],
  spec: z.strictObject({
    ...httpSettings('https://api.stripe.com/v1'),
    key: secretText('Secret or restricted key'),
    requests_per_second: z.int().min(1).default(25).describe('Stripe takes 100 in live mode, 25 in a sandbox'),
    webhook_secret: secretText('Signing secret of the webhook endpoint').optional(),
  }),
  system: (config) => ({
    settings: config,
    auth: { kind: 'bearer', token: config.key },
    budgets: [{ requests: config.requests_per_second, perMs: 1_000 }],
    // A lock on an object that another request holds.
    rules: [
      { status: 409, text: /idempotency|lock_timeout/, then: 'retry' },
      { status: 402, then: 'reject' },
    ],
    check: { path: '/customers', query: { limit: 1 } },
    streams: Object.values(STREAMS).map(streamOf),
    webhooks: {
      signature: config.webhook_secret === undefined ? undefined : { kind: 'stripe', secrets: [config.webhook_secret] },
      changes: changesOf,
    },
  }),
});
