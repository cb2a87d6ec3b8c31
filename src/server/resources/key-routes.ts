/**
 * API keys of clients, and the secrets of OAuth clients: issued (and shown once), listed, revoked. Two of each may live at
 * a time, so that one can be replaced.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { ApiKeys, KeyInfo, Resources } from '#resource';
import type { ServerContext } from '../context.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { checkJson } from '../http/shape.ts';
import { keyAnswer } from './documents.ts';

const JSON_TYPE = 'application/json';
const BODY_BYTES_MAX = 1_024;

const issueShape = z.strictObject({
  expires_at: z.int().positive().nullable().default(null).describe('Epoch milliseconds; null: never'),
});
const name = z.object({ name: z.string() });

interface Ring {
  readonly keys: ApiKeys;
  readonly resources: Resources;
  readonly path: string;
  readonly what: 'key' | 'client_secret';
  readonly issued: z.ZodType;
}

export function keyRoutes({ keys, secrets, resources }: ServerContext): Route[] {
  const newKey = keyAnswer.extend({ key: z.string() }).meta({ id: 'NewApiKey' });
  const newSecret = keyAnswer.extend({ client_secret: z.string() }).meta({ id: 'NewClientSecret' });
  const rings: Ring[] = [
    { keys, resources, path: '/v1/clients/{name}/keys', what: 'key', issued: newKey },
    { keys: secrets, resources, path: '/v1/clients/{name}/secrets', what: 'client_secret', issued: newSecret },
  ];
  return rings.flatMap((ring) => [issueRoute(ring), listRoute(ring), revokeRoute(ring)]);
}

function issueRoute({ keys, resources, path, what, issued }: Ring): Route {
  return defineRoute({
    method: 'POST',
    path,
    tag: 'Clients',
    summary: `Issue a ${what}; it is shown this once`,
    access: 'admin',
    params: name,
    body: { types: { [JSON_TYPE]: issueShape }, maxBytes: BODY_BYTES_MAX, optional: true },
    answers: { 201: { description: `The ${what}`, types: { [JSON_TYPE]: issued } } },
    handle: async (exchange, { params, body }) => {
      const { expires_at } = body.length === 0 ? { expires_at: null } : checkJson(issueShape, body);
      if (what === 'client_secret' && resources.get('client', params.name).spec['oauth'] === undefined) {
        throw new SluiceError('RESOURCE_INVALID', `client ${params.name} is not declared for OAuth`, {
          field: 'oauth',
        });
      }
      const { key, ...info } = await keys.issue(params.name, expires_at);
      exchange.json(201, { ...shown(info), [what]: key });
    },
  });
}

function listRoute({ keys, resources, path, what }: Ring): Route {
  return defineRoute({
    method: 'GET',
    path,
    tag: 'Clients',
    summary: `Each ${what} of a client, without what is secret`,
    access: 'admin',
    params: name,
    answers: { 200: { description: 'What there is', types: { [JSON_TYPE]: z.array(keyAnswer) } } },
    handle: (exchange, { params }) => {
      resources.get('client', params.name);
      exchange.json(200, keys.list(params.name).map(shown));
    },
  });
}

function revokeRoute({ keys, path, what }: Ring): Route {
  return defineRoute({
    method: 'DELETE',
    path: `${path}/{id}`,
    tag: 'Clients',
    summary: `Revoke a ${what}, at once`,
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
