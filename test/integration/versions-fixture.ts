/**
 * A shop whose upstream speaks version 3 of its API only, with what is declared so that callers of 1 and 2 are served too.
 *
 *   1   /orders?limit=      {id: 7, customer: "Ada", total: 12.5}
 *   2   /orders?limit=      {id: 7, customer: {name: "Ada"}, total: 12.5}
 *   3   /purchases?size=    {id: "7", customer: {name: "Ada"}, amount: {value: 12.5, currency: "EUR"}}
 */
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Gateway, sharedGateway, startUpstream } from './gateway-fixture.ts';

const ORDER = { $ref: '#/components/schemas/Order' };
const json = (schema: object) => ({ content: { 'application/json': { schema } } });

const CUSTOMER = {
  summary: 'A customer is an object',
  details: 'Read the name from customer.name.',
  request: { up: [{ type: 'rename', field: 'customer', target: 'customer.name' }] },
  response: {
    down: [
      { type: 'rename', field: 'customer.name', target: 'customer' },
      { type: 'rename', field: 'items[].customer.name', target: 'items[].customer' },
    ],
  },
  openapi_down: {
    components: { schemas: { Order: { properties: { customer: { type: 'string', properties: null } } } } },
  },
};

const AMOUNT = {
  summary: 'A total is an amount with its currency',
  request: {
    up: [
      { type: 'rename', field: 'total', target: 'amount.value' },
      { type: 'default_value', field: 'amount.currency', value: 'EUR' },
      { type: 'cast', field: 'id', to: 'string' },
    ],
  },
  response: {
    down: [
      { type: 'rename', field: 'amount.value', target: 'total' },
      { type: 'drop', fields: ['amount'] },
      { type: 'cast', field: 'id', to: 'integer' },
      { type: 'cast', field: 'items[].id', to: 'integer' },
      { type: 'rename', field: 'items[].amount.value', target: 'items[].total' },
      { type: 'drop', fields: ['items[].amount'] },
    ],
  },
  openapi_down: {
    components: {
      schemas: {
        Order: { required: ['id'], properties: { id: { type: 'integer' }, amount: null, total: { type: 'number' } } },
      },
    },
  },
};

const MOVED = {
  summary: 'Orders are purchases',
  operations: ['* /orders', '* /orders/{rest...}'],
  path: { from: '/orders/{rest...}', to: '/purchases/{rest}' },
  query: [{ type: 'rename', field: 'limit', target: 'size' }],
};

/** The same move for the list itself. */
const LIST_MOVED = {
  summary: 'The list of orders is that of purchases',
  path: { from: '/orders', to: '/purchases' },
  openapi_down: {
    paths: { '/purchases': null, '/purchases/{id}': null, '/orders': pathOf('limit'), '/orders/{id}': oneOf() },
  },
};

function pathOf(limit: string) {
  return {
    get: {
      summary: 'List them',
      parameters: [{ name: limit, in: 'query', schema: { type: 'integer' } }],
      responses: {
        200: {
          description: 'A page',
          ...json({ type: 'object', properties: { items: { type: 'array', items: ORDER } } }),
        },
      },
    },
    post: {
      requestBody: { required: true, ...json(ORDER) },
      responses: { 201: { description: 'As stored', ...json(ORDER) } },
    },
  };
}

function oneOf() {
  const id = { name: 'id', in: 'path', required: true, schema: { type: 'string' } };
  return { get: { parameters: [id], responses: { 200: { description: 'One', ...json(ORDER) } } } };
}

export function shopDocument() {
  return {
    openapi: '3.1.0',
    info: { title: 'Shop', version: 'upstream' },
    servers: [{ url: 'https://internal.example/never-shown' }],
    paths: { '/purchases': pathOf('size'), '/purchases/{id}': oneOf() },
    components: {
      schemas: {
        Order: {
          type: 'object',
          required: ['id', 'amount'],
          properties: {
            id: { type: 'string' },
            customer: { type: 'object', properties: { name: { type: 'string' } } },
            amount: {
              type: 'object',
              properties: { value: { type: 'number' }, currency: { type: 'string' } },
            },
            coupon: { type: 'string', deprecated: true },
          },
        },
      },
    },
  };
}

/** What is declared; with fields to change on the whole and on versions 1 and 2. */
export function shopApi(more: object = {}, first: object = {}, second: object = {}) {
  return {
    title: 'Shop',
    description: 'Buys things.',
    base_path: '/shop',
    named_by: { path: true },
    versions: [
      { version: '1', ...first },
      { version: '2', changes: [CUSTOMER], ...second },
      { version: '3', changes: [AMOUNT, MOVED, LIST_MOVED], openapi: shopDocument() },
    ],
    ...more,
  };
}

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

const STORED = { id: '7', customer: { name: 'Ada' }, amount: { value: 12.5, currency: 'EUR' } };

/**
 * The upstream, a route to it and the API; `seen` is what the upstream was asked, the last first.
 * @param own instead of the gateway that the tests of the file share
 */
export async function startShop(api: object = shopApi(), route: object = {}, own?: Gateway) {
  const seen: Seen[] = [];
  const { port } = await startUpstream(async (request, response) => {
    const body = await text(request);
    const asked = { method: request.method ?? '', url: request.url ?? '', headers: request.headers };
    seen.unshift({ ...asked, body: body === '' ? undefined : tryJson(body) });
    const answer = (status: number, value: unknown) => {
      const text = JSON.stringify(value);
      const length = { 'content-length': Buffer.byteLength(text), 'api-version': 'its own' };
      response.writeHead(status, { 'content-type': 'application/json', ...length });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    if (request.url?.startsWith('/missing')) return answer(404, { customer: { name: 'not to be touched' } });
    if (request.method === 'POST') {
      response.writeHead(201, { 'content-type': 'application/json' });
      return void response.end(body);
    }
    if (request.url?.startsWith('/purchases/text'))
      return void response.setHeader('content-type', 'text/plain').end('plain');
    if (request.url?.startsWith('/purchases/broken')) {
      return void response.setHeader('content-type', 'application/json').end('{"half":');
    }
    answer(200, /^\/purchases\/./.test(request.url ?? '') ? STORED : { items: [STORED, { id: '8' }] });
  });
  const gateway = own ?? (await sharedGateway());
  const networks = ['127.0.0.0/8'];
  await gateway.put('upstream', 'shop', { targets: [{ url: `http://127.0.0.1:${port}` }], networks });
  await gateway.put('api', 'shop', api);
  await gateway.put('route', 'shop', {
    path: '/shop/{path...}',
    upstream: 'shop',
    rewrite: '/{path}',
    api: 'shop',
    ...route,
  });
  return { ...gateway, seen };
}

export type Shop = Awaited<ReturnType<typeof startShop>>;

function tryJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
