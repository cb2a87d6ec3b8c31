/**
 * A real OpenID Connect provider in the test's own process, with keys that can be exchanged, and a browser of sorts: it keeps
 * cookies, follows redirects and fills in the provider's forms.
 */
import { createServer, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { type Configuration } from 'oidc-provider';
import { onTestFinished } from 'vitest';

export const RESOURCE = 'https://api.example';
export const WEB = { id: 'web', secret: 'web-secret-0123456789-0123456789-abcd' };
export const API = { id: 'api', secret: 'api-secret-0123456789-0123456789-abcd' };

export interface ProviderSettings {
  /** Where browsers are sent back to. */
  readonly redirectUris?: readonly string[];
  readonly logoutUris?: readonly string[];
  /** Of access tokens. */
  readonly lifetimeS?: number;
  readonly refreshTokens?: boolean;
}

export async function startProvider(settings: ProviderSettings = {}) {
  let listener: RequestListener = (_, answer) => void answer.end();
  const requests: string[] = [];
  const accounts = { open: true };
  const site = createServer((request, answer) => {
    requests.push(`${request.method} ${request.url?.split('?')[0]}`);
    listener(request, answer);
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    site.closeAllConnections();
    site.close();
  });
  const issuer = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  /** Serves with one new key, whose id this is. */
  const rotate = async (kid: string) => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const provider = new Provider(
      issuer,
      configuration(settings, accounts, { ...(await exportJWK(privateKey)), kid, alg: 'ES256' }),
    );
    listener = provider.callback();
  };
  await rotate('first');
  /** An access token by client credentials: a JWT for the resource, or an opaque one. */
  const token = async (more: Record<string, string> = {}, client = API) => {
    const answer = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...more }),
    });
    const { access_token } = (await answer.json()) as { access_token?: string };
    if (access_token === undefined) throw new Error(`no token but ${answer.status}`);
    return access_token;
  };
  const revoke = (text: string) =>
    fetch(`${issuer}/token/revocation`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${API.id}:${API.secret}`)}` },
      body: new URLSearchParams({ token: text }),
    });
  const closeAccounts = () => {
    accounts.open = false;
  };
  const stop = () => {
    site.closeAllConnections();
    site.close();
  };
  return { issuer, requests, rotate, token, revoke, closeAccounts, stop };
}

function configuration(settings: ProviderSettings, accounts: { open: boolean }, key: object): Configuration {
  const { redirectUris = [], logoutUris = [], lifetimeS = 600, refreshTokens = false } = settings;
  return {
    jwks: { keys: [key as never] },
    cookies: { keys: ['a key for the cookies of this provider'] },
    pkce: { required: () => true },
    clients: [
      {
        client_id: WEB.id,
        client_secret: WEB.secret,
        application_type: 'native',
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['authorization_code', ...(refreshTokens ? ['refresh_token'] : [])],
        response_types: ['code'],
        redirect_uris: [...redirectUris],
        post_logout_redirect_uris: [...logoutUris],
        id_token_signed_response_alg: 'ES256',
      },
      {
        client_id: API.id,
        client_secret: API.secret,
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    findAccount: (_, id) =>
      accounts.open ? { accountId: id, claims: async () => ({ sub: id, email: `${id}@example.com` }) } : undefined,
    claims: { openid: ['sub'], email: ['email'] },
    conformIdTokenClaims: false,
    issueRefreshToken: async () => refreshTokens,
    rotateRefreshToken: true,
    ttl: {
      AccessToken: lifetimeS,
      ClientCredentials: lifetimeS,
      IdToken: 600,
      Session: 600,
      Grant: 600,
      Interaction: 600,
    },
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      devInteractions: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: 'read write',
          audience: resource,
          accessTokenTTL: lifetimeS,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  };
}

export interface PlainRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A request with these headers and no others: fetch says of itself that it is no browser on its way to a page. */
export function plainRequest(
  url: string,
  { method = 'GET', headers = {}, body }: PlainRequest = {},
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers: { ...headers }, agent: false }, async (incoming) => {
      const fields = new Headers();
      for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
        fields.append(incoming.rawHeaders[i] as string, incoming.rawHeaders[i + 1] as string);
      }
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      resolve(new Response(Buffer.concat(chunks), { status: incoming.statusCode ?? 0, headers: fields }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const FORM = /<form[^>]*action="([^"]+)"[^>]*>(.*?)<\/form>/s;

/** Keeps cookies by host and port, as ports are told apart here by their provider alone. */
export class Browser {
  readonly cookies = new Map<string, string>();
  /** Where it went, without queries. */
  readonly visited: string[] = [];

  async request(url: string, init: PlainRequest = {}): Promise<Response> {
    const { host } = new URL(url);
    const jar = [...this.cookies].filter(([place]) => place.startsWith(`${host} `));
    const cookie = jar.map(([place, value]) => `${place.slice(host.length + 1)}=${value}`).join('; ');
    const headers = { accept: 'text/html', ...(cookie === '' ? {} : { cookie }), ...init.headers };
    const answer = await plainRequest(url, { ...init, headers });
    for (const field of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(field) ?? [];
      const gone = /max-age=0|expires=Thu, 01 Jan 1970/i.test(field);
      if (gone) this.cookies.delete(`${host} ${name}`);
      else this.cookies.set(`${host} ${name}`, value);
    }
    this.visited.push(url.split('?')[0] as string);
    return answer;
  }

  /** Goes where it is sent and logs in as `login`, until there is a page without a form. */
  async open(
    url: string,
    login = 'ann',
    init: PlainRequest = {},
  ): Promise<{ url: string; answer: Response; text: string }> {
    let at = url;
    let options = init;
    for (let step = 0; step < 20; step++) {
      const answer = await this.request(at, options);
      const location = answer.headers.get('location');
      options = {};
      if (location !== null) {
        at = new URL(location, at).href;
        continue;
      }
      const text = await answer.text();
      const [, action, inputs = ''] = FORM.exec(text) ?? [];
      if (action === undefined) return { url: at, answer, text };
      at = new URL(action.replaceAll('&amp;', '&'), at).href;
      const body = new URLSearchParams(fieldsOf(inputs, login)).toString();
      options = { method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    }
    throw new Error(`no end of redirects: ${this.visited.join(' ')}`);
  }
}

function fieldsOf(inputs: string, login: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [, attributes = ''] of inputs.matchAll(/<(?:input|button)([^>]*)>/g)) {
    const name = /name="([^"]*)"/.exec(attributes)?.[1];
    if (name !== undefined) fields[name] = /value="([^"]*)"/.exec(attributes)?.[1] ?? '';
  }
  if ('login' in fields) fields['login'] = login;
  if ('password' in fields) fields['password'] = 'any';
  return fields;
}
