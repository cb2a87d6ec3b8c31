/**
 * The paths of the authorization server: token (RFC 6749), introspection (RFC 7662), revocation (RFC 7009), metadata
 * (RFC 8414), key set (RFC 7517), and the rotation of keys, which is for administrators.
 */
import type { Mount, MountAnswer, MountRequest } from '#http1';
import { type Counter, covers, isScope, SluiceError } from '#kernel';
import type { AccessToken, AccessTokens } from './access-tokens.ts';
import {
  ASSERTION_ALGORITHMS,
  AUTHENTICATION_METHODS,
  type AuthenticatedClient,
  type ClientAuthentication,
} from './client-authentication.ts';
import type { ExpiringSet } from './expiring-set.ts';
import { FORM_TYPE, Form } from './form.ts';
import { answerError, answerJson, OAuthError } from './oauth-error.ts';
import type { SigningKeys } from './signing-keys.ts';

const TAG = 'OAuth';
const JSON_TYPE = 'application/json';
const FORM_BYTES_MAX = 64 * 1024;
const PUBLIC = [['Cache-Control', 'public, max-age=300']] as const;
const PATHS = {
  token: '/oauth2/token',
  introspect: '/oauth2/introspect',
  revoke: '/oauth2/revoke',
  jwks: '/oauth2/jwks',
} as const;

export interface EndpointParts {
  readonly authentication: ClientAuthentication;
  readonly tokens: AccessTokens;
  readonly keys: SigningKeys;
  readonly revoked: ExpiringSet;
  readonly issuer: () => string;
  readonly issued: Counter;
}

type Answer = (form: Form, client: AuthenticatedClient) => Promise<MountAnswer> | MountAnswer;

export function endpoints(parts: EndpointParts): Mount[] {
  return [
    formEndpoint(parts, PATHS.token, 'Get an access token (grant client_credentials)', (form, client) =>
      issueToken(parts, form, client),
    ),
    formEndpoint(parts, PATHS.introspect, 'Ask what an access token says, and whether it holds', (form, client) =>
      introspect(parts, form, client),
    ),
    formEndpoint(parts, PATHS.revoke, 'Take an access token back', (form, client) => revoke(parts, form, client)),
    metadataEndpoint(parts),
    keySetEndpoint(parts),
    rotateEndpoint(parts),
  ];
}

function formEndpoint(parts: EndpointParts, path: string, summary: string, answer: Answer): Mount {
  return {
    method: 'POST',
    path,
    tag: TAG,
    summary,
    access: 'open',
    reads: { type: FORM_TYPE, bytesMax: FORM_BYTES_MAX },
    answers: {
      200: { description: 'As asked', type: JSON_TYPE },
      400: { description: 'An error of RFC 6749 5.2', type: JSON_TYPE },
      401: { description: 'invalid_client', type: JSON_TYPE },
      429: { description: 'Too many failed authentications', type: JSON_TYPE },
    },
    handle: async (request: MountRequest) => {
      try {
        const form = new Form(request);
        const issuer = parts.issuer();
        const client = await parts.authentication.authenticate(request, form, [issuer, `${issuer}${path}`]);
        if (client.spec.oauth === undefined)
          throw new OAuthError('unauthorized_client', 'it is not declared for OAuth');
        return await answer(form, client);
      } catch (error) {
        if (error instanceof OAuthError) return answerError(error);
        throw error;
      }
    },
  };
}

async function issueToken(parts: EndpointParts, form: Form, client: AuthenticatedClient): Promise<MountAnswer> {
  if (form.require('grant_type') !== 'client_credentials') {
    throw new OAuthError('unsupported_grant_type', 'the one grant here is client_credentials');
  }
  const scopes = grantedScopes(form.get('scope'), client.spec.scopes);
  const { audience = [], token_lifetime_s = 0 } = client.spec.oauth ?? {};
  const allowed = audience.length === 0 ? [parts.issuer()] : audience;
  const audiences = [...new Set(form.all('resource'))];
  if (!audiences.every((one) => allowed.includes(one))) {
    throw new OAuthError('invalid_target', 'a resource is not one that this client may have tokens for');
  }
  const access_token = await parts.tokens.issue(
    client.name,
    scopes,
    audiences.length === 0 ? allowed : audiences,
    token_lifetime_s,
  );
  parts.issued.add();
  return answerJson({ access_token, token_type: 'Bearer', expires_in: token_lifetime_s, scope: scopes.join(' ') });
}

/** All that the client has, or what it asks for of that. @throws OAuthError invalid_scope */
function grantedScopes(asked: string | undefined, held: readonly string[]): readonly string[] {
  if (asked === undefined) return held;
  const scopes = [...new Set(asked.split(' '))];
  if (!scopes.every((scope) => isScope(scope) && held.some((one) => covers(one, scope)))) {
    throw new OAuthError('invalid_scope', 'a scope is not one that this client has');
  }
  return scopes;
}

/** Its own tokens a client may ask about, those of others with a scope for it; else they are not active to it. */
function introspect(parts: EndpointParts, form: Form, client: AuthenticatedClient): MountAnswer {
  const token = readOrNothing(parts.tokens, form.require('token'));
  const mayAsk = token?.client === client.name || client.spec.scopes.some((scope) => covers(scope, 'introspect'));
  if (token === undefined || !mayAsk) return answerJson({ active: false });
  const { jti, audiences, issuedS, expiresS, client: name } = token;
  return answerJson({
    active: true,
    iss: parts.issuer(),
    sub: name,
    client_id: name,
    token_type: 'Bearer',
    scope: parts.tokens.scopesNow(token).join(' '),
    aud: audiences.length === 1 ? audiences[0] : audiences,
    jti,
    iat: issuedS,
    exp: expiresS,
  });
}

/** Answered once the revocation is on the disk. A token that is no good any more is no error. */
async function revoke(parts: EndpointParts, form: Form, client: AuthenticatedClient): Promise<MountAnswer> {
  const token = readOrNothing(parts.tokens, form.require('token'));
  if (token === undefined) return answerJson({});
  if (token.client !== client.name && !client.spec.scopes.includes('admin')) {
    throw new OAuthError('unauthorized_client', 'the token is not one of this client');
  }
  await parts.revoked.add(token.jti, token.expiresS * 1000);
  return answerJson({});
}

function readOrNothing(tokens: AccessTokens, text: string): AccessToken | undefined {
  try {
    return tokens.read(text);
  } catch (error) {
    if (error instanceof SluiceError && error.status === 401) return undefined;
    throw error;
  }
}

function metadataEndpoint({ issuer }: EndpointParts): Mount {
  return {
    method: 'GET',
    path: '/.well-known/oauth-authorization-server',
    tag: TAG,
    summary: 'What this authorization server offers, and where',
    access: 'open',
    answers: { 200: { description: 'The metadata', type: JSON_TYPE } },
    handle: () => {
      const base = issuer();
      const methods = [...AUTHENTICATION_METHODS];
      const algorithms = [...ASSERTION_ALGORITHMS];
      const value = {
        issuer: base,
        token_endpoint: `${base}${PATHS.token}`,
        token_endpoint_auth_methods_supported: methods,
        token_endpoint_auth_signing_alg_values_supported: algorithms,
        introspection_endpoint: `${base}${PATHS.introspect}`,
        introspection_endpoint_auth_methods_supported: methods,
        introspection_endpoint_auth_signing_alg_values_supported: algorithms,
        revocation_endpoint: `${base}${PATHS.revoke}`,
        revocation_endpoint_auth_methods_supported: methods,
        revocation_endpoint_auth_signing_alg_values_supported: algorithms,
        jwks_uri: `${base}${PATHS.jwks}`,
        grant_types_supported: ['client_credentials'],
        response_types_supported: [],
      };
      return { status: 200, headers: PUBLIC, contentType: JSON_TYPE, body: JSON.stringify(value) };
    },
  };
}

function keySetEndpoint({ keys }: EndpointParts): Mount {
  const type = 'application/jwk-set+json';
  return {
    method: 'GET',
    path: PATHS.jwks,
    tag: TAG,
    summary: 'The public keys of access tokens',
    access: 'open',
    answers: { 200: { description: 'A JSON Web Key Set', type } },
    handle: () => {
      // Whoever fetches the set before the first token was issued wants the key of that.
      keys.current();
      const body = JSON.stringify({ keys: keys.published() });
      return { status: 200, headers: PUBLIC, contentType: type, body };
    },
  };
}

function rotateEndpoint({ keys }: EndpointParts): Mount {
  return {
    method: 'POST',
    path: '/v1/oauth/rotate',
    tag: TAG,
    summary: 'Make a new signing key; with ?forget=true the others, and their tokens, are refused from now on',
    access: 'admin',
    answers: { 200: { description: 'The id of the new key', type: JSON_TYPE } },
    handle: ({ query }) => {
      const forget = new URLSearchParams(query).get('forget') === 'true';
      const { kid, activeAt } = keys.rotate(forget);
      return answerJson({ kid, active_at: activeAt });
    },
  };
}
