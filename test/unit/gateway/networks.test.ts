/** Who may come: lists of networks, and pages of other origins. */
import { describe, expect, test } from 'vitest';
import { compileCors, corsSchema } from '../../../src/gateway/policies/cors.ts';
import { compileNetworks, networksSchema } from '../../../src/gateway/policies/networks.ts';
import { askNow, requestOf } from './request.ts';

describe('lists of networks', () => {
  const check = (spec: object) => {
    const lists = compileNetworks(networksSchema.parse(spec));
    return (clientAddress: string) => askNow(lists, requestOf({ clientAddress })).allow;
  };

  test.each([
    ['192.0.2.0/24', '192.0.2.255', true],
    ['192.0.2.0/24', '192.0.3.0', false],
    ['192.0.2.0/24', '::ffff:192.0.2.9', true],
    ['192.0.2.0/24', '::ffff:c000:209', true],
    ['192.0.2.77/24', '192.0.2.1', true],
    ['0.0.0.0/0', '203.0.113.1', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '10.0.0.2', false],
    ['128.0.0.0/1', '127.255.255.255', false],
    ['128.0.0.0/1', '128.0.0.0', true],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['2001:db8::5', '2001:0DB8:0:0:0:0:0:5', true],
    ['::/0', '192.0.2.1', true],
    ['fe80::/10', 'fe80::1%eth0', true],
  ])('%s holds %s: %s', (network, address, expected) => {
    expect(check({ allow: [network] })(address)).toBe(expected);
    expect(check({ deny: [network] })(address)).toBe(!expected);
  });

  test('deny what is in both, and what is no address', () => {
    const allowed = check({ allow: ['10.0.0.0/8'], deny: ['10.1.0.0/16'] });
    expect(['10.2.0.1', '10.1.0.1', '192.0.2.1', 'unknown', ''].map(allowed)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  test.each([['10.0.0.0/33'], ['10.0.0.0/'], ['::/129'], ['10.0.0/8'], ['10.0.0.0/8/8'], ['host'], ['fe80::1%1/64']])(
    'cannot hold %s',
    (network) => {
      expect(() => check({ deny: [network] })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    },
  );
});

describe('pages of other origins', () => {
  const policy = (spec: object) => compileCors(corsSchema.parse({ origins: ['https://app.example'], ...spec }));
  const from = (origin: string, spec: object = {}, headers = {}) =>
    askNow(policy(spec), requestOf({ headers: { origin, host: 'api.example', ...headers } }));
  const ask = (origin: string, spec: object = {}, method = 'PUT', fields = 'content-type') =>
    askNow(
      policy(spec),
      requestOf({
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': fields },
      }),
    );

  test('are told that they may read, and others nothing', () => {
    expect(from('https://app.example', { credentials: true, expose: ['etag'] })).toEqual({
      allow: true,
      headers: {
        'access-control-allow-origin': 'https://app.example',
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': 'etag',
        vary: 'origin',
      },
    });
    expect(from('https://evil.example')).toEqual({ allow: true, headers: { vary: 'origin' } });
    expect(askNow(policy({}), requestOf())).toEqual({ allow: true, headers: { vary: 'origin' } });
  });

  test('that ask first are answered here', () => {
    expect(ask('https://app.example')).toEqual({
      allow: false,
      code: null,
      status: 204,
      headers: {
        'access-control-allow-origin': 'https://app.example',
        'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
        'access-control-allow-headers': 'content-type, authorization, x-api-key',
        'access-control-max-age': '600',
        vary: 'origin, access-control-request-method, access-control-request-headers',
      },
    });
    const refused = { allow: false, code: 'ORIGIN_DENIED', status: 403 };
    expect(ask('https://evil.example')).toMatchObject(refused);
    expect(ask('https://app.example', {}, 'TRACE')).toMatchObject(refused);
    expect(ask('https://app.example', {}, 'PUT', 'x-other')).toMatchObject(refused);
  });

  test.each([
    ['https://a.example', true],
    ['https://a.b.example', true],
    ['https://example', false],
    ['https://.example', false],
    ['http://a.example', false],
    ['https://aexample', false],
    ['https://a.example.evil', false],
    ['https://evil/.example', false],
    ['null', false],
  ])('below https://*.example: %s %s', (origin, expected) => {
    const { headers } = from(origin, { origins: ['https://*.example'] });
    expect(headers['access-control-allow-origin']).toBe(expected ? origin : undefined);
  });

  test('are refused outright where that is asked for, but not the own', () => {
    const strict = { refuse_others: true };
    expect(from('https://evil.example', strict)).toMatchObject({ code: 'ORIGIN_DENIED' });
    expect(from('https://api.example', strict).allow).toBe(true);
  });

  test.each([[{ origins: ['*'], credentials: true }], [{ origins: ['app.example'] }], [{ origins: ['https://a/b'] }]])(
    'cannot be declared as %j',
    (spec) => {
      expect(() => policy(spec)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    },
  );
});
