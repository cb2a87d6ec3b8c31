/** Signed requests (RFC 9421, hmac-sha256) and Standard Webhooks: what holds, what does not, what comes twice. */
import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '#kernel';
import { SharedTable } from '../../../src/gateway/policies/shared-table.ts';
import { compileSignedRequests, signedRequestsSchema } from '../../../src/gateway/policies/signed-requests.ts';
import { compileWebhook, webhookSchema } from '../../../src/gateway/policies/webhooks.ts';
import type { GatewayRequest } from '../../../src/gateway/policy.ts';
import { askNow, requestOf, type Said } from './request.ts';

const codeOf = (said: Said) => said.code ?? 'allowed';

/** The headers of a request with another value of one. */
function replaced({ headers }: GatewayRequest, name: string, value: string): string[] {
  return headers.map((text, i) => (i % 2 === 1 && headers[i - 1] === name ? value : text));
}

function parts(nowS: number, slots = 64) {
  return { clock: new ManualClock(nowS * 1000), table: SharedTable.create(slots), scope: 'test', bodyBytesMax: 1024 };
}

describe('a signed request', () => {
  // RFC 9421, B.1.5 and B.2.5.
  const SECRET = 'uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==';
  const CREATED = 1_618_884_473;
  const EXAMPLE = requestOf({
    method: 'POST',
    path: '/foo',
    query: 'param=Value&Pet=dog',
    headers: {
      host: 'example.com',
      date: 'Tue, 20 Apr 2021 02:07:55 GMT',
      'content-type': 'application/json',
      'signature-input': 'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
      signature: 'sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:',
    },
  });
  const BODY = Buffer.from('{"hello": "world"}');
  const digest = (body: Uint8Array) => `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;

  function policy(spec: object = {}, nowS = CREATED, slots = 64) {
    const keys = [{ id: 'test-shared-secret', secret: SECRET }];
    const compiled = compileSignedRequests(signedRequestsSchema.parse({ keys, ...spec }), parts(nowS, slots));
    return (request: GatewayRequest) => codeOf(askNow(compiled, request));
  }

  /** A request signed over its method, path, query and body, then changed. */
  function signed(
    change: (request: GatewayRequest) => GatewayRequest = (same) => same,
    more = '',
    keyid = 'test-shared-secret',
  ) {
    const params = `("@method" "@authority" "@path" "@query" "content-digest");created=${CREATED};keyid="${keyid}"${more}`;
    const lines = ['"@method": POST', '"@authority": example.com', '"@path": /foo', '"@query": ?a=1'];
    const base = [...lines, `"content-digest": ${digest(BODY)}`, `"@signature-params": ${params}`].join('\n');
    const signature = createHmac('sha256', Buffer.from(SECRET, 'base64')).update(base).digest('base64');
    const headers = {
      host: 'Example.com',
      'content-digest': digest(BODY),
      'signature-input': `sig=${params}`,
      signature: `other=:AAAA:, sig=:${signature}:`,
    };
    return change(requestOf({ method: 'POST', path: '/foo', query: 'a=1', headers, body: BODY }));
  }

  test('is the example of RFC 9421', () => {
    expect(policy({ components: ['date'] })(EXAMPLE)).toBe('allowed');
    expect(policy({ components: ['@path'] })(EXAMPLE)).toBe('SIGNATURE_INVALID');
    expect(policy({ components: ['date'] })({ ...EXAMPLE, body: BODY })).toBe('SIGNATURE_INVALID');
  });

  test.each<[string, (request: GatewayRequest) => GatewayRequest]>([
    ['allowed', (request) => request],
    ['SIGNATURE_INVALID', (request) => ({ ...request, method: 'PUT' })],
    ['SIGNATURE_INVALID', (request) => ({ ...request, path: '/fop' })],
    ['SIGNATURE_INVALID', (request) => ({ ...request, query: 'a=2' })],
    ['SIGNATURE_INVALID', (request) => ({ ...request, body: Buffer.from('{}') })],
    ['SIGNATURE_INVALID', (request) => ({ ...request, headers: replaced(request, 'host', 'evil.example') })],
    ['SIGNATURE_INVALID', (request) => ({ ...request, headers: replaced(request, 'signature', 'sig=:AAAA:') })],
    ['SIGNATURE_MISSING', (request) => ({ ...request, headers: [] })],
  ])('is answered %s: change %#', (expected, change) => {
    expect(policy()(signed(change))).toBe(expected);
  });

  test.each([
    ['of an unknown key', '', 'nobody', 'SIGNATURE_INVALID'],
    ['by another algorithm', ';alg="rsa-pss-sha512"', undefined, 'SIGNATURE_INVALID'],
    ['by this algorithm', ';alg="hmac-sha256"', undefined, 'allowed'],
    ['that has run out', `;expires=${CREATED}`, undefined, 'SIGNATURE_EXPIRED'],
  ])('%s is answered', (_, more, keyid, expected) => {
    expect(policy()(signed(undefined, more, keyid))).toBe(expected);
  });

  test('is taken only near the time it was made, and once', () => {
    expect(policy({}, CREATED + 301)(signed())).toBe('SIGNATURE_EXPIRED');
    expect(policy({}, CREATED - 301)(signed())).toBe('SIGNATURE_EXPIRED');
    const check = policy({}, CREATED + 300);
    expect([check(signed()), check(signed())]).toEqual(['allowed', 'SIGNATURE_REPLAYED']);
    expect(check(signed(undefined, ';nonce="n1"'))).toBe('allowed');
    expect(check(signed(undefined, ';nonce="n1"'))).toBe('SIGNATURE_REPLAYED');
  });

  test('is refused rather than taken twice when there is no room to remember it', () => {
    const check = policy({}, CREATED, 8);
    for (let i = 0; i < 8; i++) expect(check(signed(undefined, `;nonce="n${i}"`))).toBe('allowed');
    expect(check(signed(undefined, ';nonce="n8"'))).toBe('LIMIT_EXCEEDED');
  });
});

describe('a webhook', () => {
  // The secret, id and payload of the tests of the Standard Webhooks libraries.
  const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
  const AT = 1_614_265_330;
  const BODY = Buffer.from('{"test": 2432232314}');
  const SIGNATURE = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';

  function policy(nowS = AT, secrets = [SECRET]) {
    const compiled = compileWebhook(webhookSchema.parse({ secrets }), parts(nowS));
    return (change: Record<string, string> = {}, body: Buffer = BODY) => {
      const headers = { 'webhook-id': ID, 'webhook-timestamp': String(AT), 'webhook-signature': SIGNATURE, ...change };
      return codeOf(askNow(compiled, requestOf({ method: 'POST', headers, body })));
    };
  }

  test('holds as the public example does', () => {
    expect(policy()()).toBe('allowed');
    expect(policy(AT, [SECRET.slice(6)])()).toBe('allowed');
  });

  test.each([
    ['SIGNATURE_MISSING', { 'webhook-id': '' }],
    ['SIGNATURE_INVALID', { 'webhook-id': 'msg_other' }],
    ['SIGNATURE_INVALID', { 'webhook-timestamp': 'hello' }],
    ['SIGNATURE_INVALID', { 'webhook-timestamp': String(AT + 1) }],
    ['SIGNATURE_INVALID', { 'webhook-signature': 'v1,dawfeoifkpqwoekfpqoekf' }],
    ['SIGNATURE_INVALID', { 'webhook-signature': 'v1,' }],
    ['SIGNATURE_INVALID', { 'webhook-signature': SIGNATURE.replace('v1', 'v2') }],
    ['allowed', { 'webhook-signature': `v1,AAAA v2,${SIGNATURE} ${SIGNATURE}` }],
  ])('is answered %s: %j', (expected, change) => {
    expect(policy()(change)).toBe(expected);
  });

  test('is refused with another body, out of time, or again', () => {
    expect(policy()({}, Buffer.from('{}'))).toBe('SIGNATURE_INVALID');
    expect([policy(AT + 301)(), policy(AT - 301)()]).toEqual(['SIGNATURE_EXPIRED', 'SIGNATURE_EXPIRED']);
    const check = policy();
    expect([check(), check()]).toEqual(['allowed', 'SIGNATURE_REPLAYED']);
  });

  test('holds under any of several secrets', () => {
    const other = `whsec_${Buffer.alloc(24, 3).toString('base64')}`;
    expect(policy(AT, [other, SECRET])()).toBe('allowed');
    expect(policy(AT, [other])()).toBe('SIGNATURE_INVALID');
  });

  test.each([['whsec_'], ['not base64!'], ['c2hvcnQ=']])('cannot have the secret %s', (secret) => {
    expect(() => policy(AT, [secret])).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
