/** The declared auth of connector `rest` as the runtime has it. */
import type { Auth } from '#connector';
import type { RestConfig } from './spec.ts';

const MINUTE_MS = 60_000;

export function authOf(given: RestConfig['auth']): Auth {
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
