/** How requests prove who sends them, declared in the configuration of an endpoint. Used by connectors of any API. */
import { z } from 'zod';
import type { Auth } from './auth.ts';
import { address, secretText } from './settings.ts';

export const declaredAuth = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none') }),
    z.strictObject({ kind: z.literal('basic'), user: z.string(), password: secretText('Password') }),
    z.strictObject({ kind: z.literal('bearer'), token: secretText('Token') }),
    z.strictObject({
      kind: z.literal('key'),
      in: z.enum(['header', 'query', 'body']),
      name: z.string().min(1),
      value: secretText('The key'),
    }),
    z.strictObject({
      kind: z.literal('oauth2_refresh'),
      token_url: address(),
      client_id: z.string(),
      client_secret: secretText('Of the client').optional(),
      refresh_token: secretText('A new one is kept in the secret it is named by'),
      scope: z.string().optional(),
      client_auth: z.enum(['basic', 'body']).default('body'),
    }),
    z.strictObject({
      kind: z.literal('oauth2_client'),
      token_url: address(),
      client_id: z.string(),
      client_secret: secretText('Of the client'),
      scope: z.string().optional(),
      parameters: z.record(z.string(), z.string()).optional(),
      client_auth: z.enum(['basic', 'body']).default('body'),
    }),
    z.strictObject({
      kind: z.literal('jwt_bearer'),
      token_url: address(),
      algorithm: z.enum(['RS256', 'RS512', 'PS256', 'ES256', 'EdDSA', 'HS256']),
      key: secretText('PEM (PKCS#8), or the shared secret for HS256'),
      key_id: z.string().optional(),
      claims: z.record(z.string(), z.string()),
      scope: z.string().optional(),
    }),
    z.strictObject({
      kind: z.literal('session'),
      path: z.string().min(1).describe('Where the login goes'),
      body: z.record(z.string(), z.string()).default({}).describe('Of the login, beside user and password'),
      user_field: z.string().default('username'),
      user: z.string(),
      password_field: z.string().default('password'),
      password: secretText('Password'),
      token: z.string().min(1).describe('Dotted path in the answer'),
      header: z.string().default('authorization'),
      prefix: z.string().default('Bearer '),
      minutes: z.int().min(1).default(30).describe('How long it holds'),
    }),
    z.strictObject({
      kind: z.literal('sigv4'),
      access_key_id: z.string(),
      secret_access_key: secretText('Secret access key'),
      region: z.string(),
      service: z.string(),
    }),
  ])
  .default({ kind: 'none' });

type DeclaredAuth = z.infer<typeof declaredAuth>;

const MINUTE_MS = 60_000;

export function authOf(given: DeclaredAuth): Auth {
  switch (given.kind) {
    case 'oauth2_refresh': {
      const { token_url, client_id, client_secret, refresh_token, scope, client_auth } = given;
      return {
        kind: 'oauth2-refresh',
        tokenUrl: token_url,
        clientId: client_id,
        ...(client_secret === undefined ? {} : { clientSecret: client_secret }),
        refreshToken: refresh_token,
        refreshTokenPath: 'auth.refresh_token',
        ...(scope === undefined ? {} : { scope }),
        clientAuth: client_auth,
      };
    }
    case 'oauth2_client': {
      const { token_url, client_id, client_secret, scope, parameters, client_auth } = given;
      return {
        kind: 'oauth2-client',
        tokenUrl: token_url,
        clientId: client_id,
        clientSecret: client_secret,
        ...(scope === undefined ? {} : { scope }),
        ...(parameters === undefined ? {} : { parameters }),
        clientAuth: client_auth,
      };
    }
    case 'jwt_bearer': {
      const { token_url, algorithm, key, key_id, claims, scope } = given;
      return {
        kind: 'jwt-bearer',
        tokenUrl: token_url,
        jwt: { algorithm, key, claims, ...(key_id === undefined ? {} : { keyId: key_id }) },
        ...(scope === undefined ? {} : { scope }),
      };
    }
    case 'session': {
      const { path, body, user_field, user, password_field, password, token, header, prefix, minutes } = given;
      return {
        kind: 'session',
        login: { method: 'POST', path, json: { ...body, [user_field]: user, [password_field]: password } },
        token: { path: token },
        send: { header, prefix },
        expires: { afterMs: minutes * MINUTE_MS },
      };
    }
    case 'sigv4': {
      const { access_key_id, secret_access_key, region, service } = given;
      return { kind: 'sigv4', accessKeyId: access_key_id, secretAccessKey: secret_access_key, region, service };
    }
    default:
      return given;
  }
}
