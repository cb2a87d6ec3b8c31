/** A built server as an authorization server, and how tests of it ask: by a client library, and by plain forms. */
import { exportJWK, generateKeyPair } from 'jose';
import * as openid from 'openid-client';
import { expect } from 'vitest';
import { type Server, startServer } from '#kit';

/** A server with an administrator; what it is told and asked about. */
export async function authorizationServer(options: Parameters<typeof startServer>[0] = {}, adminKey?: string) {
  const server = await startServer({ args: ['--gateway-threads', '1'], ...options });
  const call = async (method: string, path: string, key: string, body?: object) => {
    const headers = { 'content-type': 'application/json', ...(key === '' ? {} : { authorization: `Bearer ${key}` }) };
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    return await fetch(`${server.url}${path}`, { method, headers, ...text });
  };
  const json = async (answer: Promise<Response>) => (await (await answer).json()) as Record<string, string>;
  const admin = adminKey ?? ((await json(call('PUT', '/v1/clients/ops', '', { scopes: ['admin'] })))['key'] as string);
  return {
    ...server,
    admin,
    call,
    json,
    /** Declares a client; its secret. */
    client: async (name: string, scopes: string[], oauth: object = {}) => {
      expect((await call('PUT', `/v1/clients/${name}`, admin, { scopes, oauth })).status).toBe(201);
      return (await json(call('POST', `/v1/clients/${name}/secrets`, admin)))['client_secret'] as string;
    },
    post: (path: string, fields: Record<string, string> | [string, string][], headers: Record<string, string> = {}) =>
      fetch(`${server.url}${path}`, { method: 'POST', body: new URLSearchParams(fields), headers }),
  };
}

export type Authorization = Awaited<ReturnType<typeof authorizationServer>>;

export function discover(server: Server, id: string, authentication: openid.ClientAuth) {
  const execute = [openid.allowInsecureRequests];
  return openid.discovery(new URL(server.url), id, undefined, authentication, { algorithm: 'oauth2', execute });
}

export const basic = (id: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
});

/** `401 invalid_client challenged`. */
export async function errorOf(answer: Response | Promise<Response>): Promise<string> {
  const response = await answer;
  const { error } = (await response.json()) as { error: string };
  expect(response.headers.get('cache-control')).toBe('no-store');
  const isChallenged = response.headers.get('www-authenticate')?.startsWith('Basic') === true;
  return `${response.status} ${error}${isChallenged ? ' challenged' : ''}`;
}

export const codeOf = async (answer: Promise<Response>) => ((await (await answer).json()) as { code?: string }).code;

export async function signer(alg = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid: 'k1', alg } };
}
