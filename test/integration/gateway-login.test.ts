/** People log in through the gateway, at a real provider, with something like a browser. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LOOPBACK, sharedGateway, startUpstream } from './gateway-fixture.ts';
import { problemOf } from './http-fixture.ts';
import { Browser, type PlainRequest, plainRequest, startProvider, WEB } from './oidc-fixture.ts';

const NAVIGATION = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };

/** A gateway whose route `app` needs a login. */
async function loginGateway(
  settings: { lifetimeS?: number; refreshTokens?: boolean } = {},
  login: object = {},
  route: object = {},
) {
  const gateway = await sharedGateway();
  const redirectUris = [`${gateway.url}/app/.login/callback`];
  const provider = await startProvider({ ...settings, redirectUris, logoutUris: [gateway.url, `${gateway.url}/bye`] });
  const seen: Record<string, string | undefined>[] = [];
  const { port } = await startUpstream((request, answer) => {
    seen.push({ ...(request.headers as Record<string, string>), url: request.url });
    answer.end(`page ${request.url}`);
  });
  const spec = {
    issuer: provider.issuer,
    client_id: WEB.id,
    client_secret: WEB.secret,
    url: gateway.url,
    scopes: ['openid', 'email'],
    claims: ['email'],
    headers: { 'x-user': 'sub' },
    networks: LOOPBACK,
    ...login,
  };
  await gateway.serve([port], {}, { path: '/bye' });
  await gateway.put('route', 'app', { path: '/app/{path...}', upstream: 'main', login: spec, ...route });
  return { ...gateway, provider, seen, spec };
}

const session = (browser: Browser) => [...browser.cookies].find(([place]) => place.endsWith(' sluice-app'))?.[1];

test('a page leads to the login and back to itself; the upstream learns who it is, and no cookie of ours', async () => {
  const gateway = await loginGateway();
  const browser = new Browser();
  browser.cookies.set(`${new URL(gateway.url).host} theme`, 'dark');
  const { text, url } = await browser.open(`${gateway.url}/app/orders?page=2&next=//evil.example`, 'ann');
  expect([url, text]).toEqual([
    `${gateway.url}/app/orders?page=2&next=//evil.example`,
    'page /app/orders?page=2&next=//evil.example',
  ]);
  expect(gateway.seen.at(-1)).toMatchObject({ 'x-user': 'ann', cookie: 'theme=dark' });
  expect(browser.visited).toContain(`${gateway.provider.issuer}/auth`);

  const asked = gateway.provider.requests.length;
  const again = await browser.request(`${gateway.url}/app/data`, { method: 'POST', headers: { 'x-user': 'root' } });
  expect([again.status, gateway.seen.at(-1)?.['x-user']]).toEqual([200, 'ann']);
  expect(gateway.provider.requests.length).toBe(asked);
  expect(statSync(join(gateway.server.dataDir, 'login-key')).mode & 0o777).toBe(0o600);
});

test('only a person on the way to a page is led away; everybody else is told', async () => {
  const gateway = await loginGateway();
  const html = { accept: 'text/html' };
  const attempts: [PlainRequest, number][] = [
    [{ headers: { ...html, ...NAVIGATION } }, 303],
    [{ headers: html }, 303],
    [{ headers: { accept: 'application/json' } }, 401],
    [{ headers: { ...html, 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' } }, 401],
    [{ headers: { ...html, ...NAVIGATION, 'sec-fetch-dest': 'iframe' } }, 401],
    [{ method: 'POST', headers: { ...html, ...NAVIGATION } }, 401],
    [{ method: 'HEAD', headers: html }, 401],
  ];
  for (const [init, status] of attempts) {
    const answer = await plainRequest(`${gateway.url}/app/x`, init);
    expect(`${JSON.stringify(init)} ${answer.status}`).toBe(`${JSON.stringify(init)} ${status}`);
  }
  expect(await problemOf(await gateway.get('/app/x'))).toMatchObject({ code: 'LOGIN_REQUIRED' });
  const led = await plainRequest(`${gateway.url}/app/x`, { headers: html });
  const place = new URL(led.headers.get('location') as string);
  expect(Object.fromEntries(place.searchParams)).toMatchObject({
    response_type: 'code',
    code_challenge_method: 'S256',
    redirect_uri: `${gateway.url}/app/.login/callback`,
    scope: 'openid email',
  });
  for (const name of ['state', 'nonce', 'code_challenge'])
    expect(place.searchParams.get(name)?.length).toBeGreaterThan(20);
  expect(led.headers.get('cache-control')).toBe('no-store');
  expect(led.headers.getSetCookie()).toEqual([
    expect.stringMatching(/^sluice-app-login-.{8}=\S+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/),
  ]);
  expect(gateway.seen).toEqual([]);
});

test('a callback that this browser did not ask for, or that comes twice, logs nobody in', async () => {
  const gateway = await loginGateway();
  const callback = `${gateway.url}/app/.login/callback`;
  const victim = new Browser();
  for (const query of ['', '?code=x&state=y', '?error=access_denied&state=y']) {
    expect(await problemOf(await victim.request(`${callback}${query}`))).toMatchObject({ code: 'LOGIN_FAILED' });
  }
  const thief = new Browser();
  let sentBack = '';
  const { request } = thief;
  thief.request = async (url, init) => {
    if (url.startsWith(callback)) {
      sentBack = url;
      return new Response('stopped');
    }
    return await request.call(thief, url, init);
  };
  await thief.open(`${gateway.url}/app/x`, 'mallory');
  expect(sentBack).toContain('code=');
  expect((await victim.request(sentBack)).status).toBe(400);
  await victim.request(`${gateway.url}/app/y`);
  expect((await victim.request(sentBack)).status).toBe(400);
  expect(session(victim)).toBeUndefined();

  const wrong = new URL(sentBack);
  wrong.searchParams.set('code', 'another');
  expect((await request.call(thief, wrong.href)).status).toBe(400);
  expect((await request.call(thief, sentBack)).status).toBe(400);
  expect(session(thief)).toBeUndefined();
});

test('a session is sealed: changed, made up, of another route, or over, it is none', async () => {
  const gateway = await loginGateway({}, { session_s: 10 });
  await gateway.put('route', 'two', { path: '/two/{path...}', upstream: 'main', login: gateway.spec });
  const browser = new Browser();
  await browser.open(`${gateway.url}/app/x`);
  const good = session(browser) as string;
  expect(good).toMatch(/^eyJ/);
  expect(Buffer.from(good, 'base64url').toString('latin1')).not.toContain('ann');
  const ask = async (cookie: string, path = '/app/x') => (await gateway.get(path, { cookie })).status;
  expect(await ask(`sluice-app=${good}`)).toBe(200);
  expect(await ask(`sluice-two=${good}`, '/two/x')).toBe(401);
  const middle = Math.floor(good.length / 2);
  const changed = `${good.slice(0, middle)}${good[middle] === 'A' ? 'B' : 'A'}${good.slice(middle + 1)}`;
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"aud":"session app"}').toString('base64url')}.`;
  for (const cookie of [changed, none, 'x', 'a.b.c.d.e', 'x'.repeat(2_600)])
    expect(await ask(`sluice-app=${cookie}`)).toBe(401);
  await expect.poll(() => ask(`sluice-app=${good}`), { timeout: 30_000, interval: 500 }).toBe(401);
});

test('a session is renewed when its access token is over, once for all who come at the same time, and ends with it', async () => {
  const gateway = await loginGateway({ lifetimeS: 7, refreshTokens: true });
  const browser = new Browser();
  await browser.open(`${gateway.url}/app/x`);
  const first = session(browser) as string;
  const grants = () => gateway.provider.requests.filter((one) => one === 'POST /token').length;
  expect(grants()).toBe(1);
  await expect
    .poll(async () => (await browser.request(`${gateway.url}/app/x`)).status === 200 && session(browser) !== first, {
      timeout: 30_000,
      interval: 200,
    })
    .toBe(true);
  const late = await Promise.all(
    Array.from({ length: 12 }, () => gateway.get('/app/late', { cookie: `sluice-app=${first}` })),
  );
  expect(late.map(({ status }) => status)).toEqual(Array(12).fill(200));
  expect(grants()).toBe(2);
  expect(gateway.seen.at(-1)).toMatchObject({ 'x-user': 'ann' });

  // A provider that has closed the account ends the session here.
  gateway.provider.closeAccounts();
  await expect
    .poll(async () => (await gateway.get('/app/x', { cookie: `sluice-app=${session(browser)}` })).status, {
      timeout: 30_000,
      interval: 300,
    })
    .toBe(401);
});

test('a logout ends the session here and at the provider', async () => {
  const gateway = await loginGateway({ refreshTokens: true }, { logout_url: undefined });
  const browser = new Browser();
  await browser.open(`${gateway.url}/app/x`);
  expect(session(browser)).toBeDefined();
  const crossSite = await browser.request(`${gateway.url}/app/.login/logout`, {
    headers: { 'sec-fetch-site': 'cross-site' },
  });
  expect([crossSite.status, session(browser) === undefined]).toEqual([401, false]);
  const out = await browser.request(`${gateway.url}/app/.login/logout`);
  const place = new URL(out.headers.get('location') as string);
  expect(`${place.origin}${place.pathname}`).toBe(`${gateway.provider.issuer}/session/end`);
  expect(session(browser)).toBeUndefined();
  expect(gateway.provider.requests).toContain('POST /token/revocation');
  expect((await browser.request(`${gateway.url}/app/x`, { headers: { accept: '*/*' } })).status).toBe(401);
});

test('claims of the session open what the rules of the route say', async () => {
  const rules = [{ methods: ['GET'], claims: [{ claim: 'email', equals: 'ann@example.com' }] }];
  const gateway = await loginGateway({}, {}, { authorize: { rules } });
  const ann = new Browser();
  expect((await ann.open(`${gateway.url}/app/x`, 'ann')).answer.status).toBe(200);
  expect(await problemOf(await ann.request(`${gateway.url}/app/x`, { method: 'DELETE' }))).toMatchObject({
    code: 'ACCESS_DENIED',
  });
  const bob = new Browser();
  expect((await bob.open(`${gateway.url}/app/x`, 'bob')).answer.status).toBe(403);
});

test('a provider that cannot be reached, and a route that cannot have a login, say so', async () => {
  const gateway = await loginGateway();
  gateway.provider.stop();
  const refused = await plainRequest(`${gateway.url}/app/x`, { headers: { accept: 'text/html' } });
  expect(await problemOf(refused)).toMatchObject({ status: 503, code: 'LOGIN_UNAVAILABLE' });
  expect(refused.headers.get('retry-after')).toBe('1');
  const declare = async (route: object) =>
    (
      (await (
        await gateway.declare('route', 'other', { path: '/o/{p...}', upstream: 'main', login: gateway.spec, ...route })
      ).json()) as { code?: string }
    ).code;
  expect(await declare({ path: '/o' })).toBe('RESOURCE_INVALID');
  expect(await declare({ path: '/{tenant}/{p...}' })).toBe('RESOURCE_INVALID');
  for (const change of [
    { url: 'http://app.example' },
    { issuer: 'http://idp.example' },
    { scopes: ['email'] },
    { url: 'https://app.example/x' },
  ]) {
    expect(await declare({ login: { ...gateway.spec, ...change } })).toBe('RESOURCE_INVALID');
  }
});
