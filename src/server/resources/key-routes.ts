/** API keys of clients: issued (and shown once), listed, revoked. Two may live at a time, so that one can be replaced. */
import { z } from 'zod';
import type { KeyInfo } from '#resource';
import type { ServerContext } from '../context.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { checkJson } from '../http/shape.ts';
import { keyAnswer } from './documents.ts';

const JSON_TYPE = 'application/json';
const PATH = '/v1/clients/{name}/keys';
const BODY_BYTES_MAX = 1_024;

const issueShape = z.strictObject({
  expires_at: z.int().positive().nullable().default(null).describe('Epoch milliseconds; null: never'),
});
const name = z.object({ name: z.string() });

export function keyRoutes(context: ServerContext): Route[] {
  return [issueRoute(context), listRoute(context), revokeRoute(context)];
}

function issueRoute({ keys }: ServerContext): Route {
  return defineRoute({
    method: 'POST',
    path: PATH,
    tag: 'Clients',
    summary: 'Issue a key; it is shown this once',
    access: 'admin',
    params: name,
    body: { types: { [JSON_TYPE]: issueShape }, maxBytes: BODY_BYTES_MAX, optional: true },
    answers: {
      201: {
        description: 'The key',
        types: { [JSON_TYPE]: keyAnswer.extend({ key: z.string() }).meta({ id: 'NewApiKey' }) },
      },
    },
    handle: async (exchange, { params, body }) => {
      const { expires_at } = body.length === 0 ? { expires_at: null } : checkJson(issueShape, body);
      const { key, ...info } = await keys.issue(params.name, expires_at);
      exchange.json(201, { ...shown(info), key });
    },
  });
}

function listRoute({ keys, resources }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: PATH,
    tag: 'Clients',
    summary: 'The keys of a client, without their secrets',
    access: 'admin',
    params: name,
    answers: { 200: { description: 'The keys', types: { [JSON_TYPE]: z.array(keyAnswer) } } },
    handle: (exchange, { params }) => {
      resources.get('client', params.name);
      exchange.json(200, keys.list(params.name).map(shown));
    },
  });
}

function revokeRoute({ keys }: ServerContext): Route {
  return defineRoute({
    method: 'DELETE',
    path: `${PATH}/{id}`,
    tag: 'Clients',
    summary: 'Revoke a key, at once',
    access: 'admin',
    params: z.object({ name: z.string(), id: z.string() }),
    answers: { 204: { description: 'Revoked' } },
    handle: async (exchange, { params }) => {
      await keys.revoke(params.name, params.id);
      exchange.empty(204);
    },
  });
}

function shown({ id, client, createdAt, expiresAt }: KeyInfo): object {
  return { id, client, created_at: createdAt, expires_at: expiresAt };
}
