/** The one spelling of paths, and the router. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withSeed } from '#kit';
import { canonicalPath } from '../../../src/gateway/route/path.ts';
import { compileRewrite } from '../../../src/gateway/route/rewrite.ts';
import { Router } from '../../../src/gateway/route/router.ts';
import type { NamedRoute } from '../../../src/gateway/table.ts';

describe('a path', () => {
  test.each([
    ['/a/b', '/a/b'],
    ['/', '/'],
    ['/a//b///', '/a/b/'],
    ['/a/./b/.', '/a/b/'],
    ['/a/b/..', '/a/'],
    ['/a/%2e%2E/b', '/b'],
    ['/%41%7e%c3%a9', '/A~%C3%A9'],
    ['/a%252fb', '/a%252fb'],
  ])('%s is spelt %s', (raw, path) => {
    expect(canonicalPath(raw)).toEqual({ path, encodedSlash: false });
  });

  test.each([
    'a',
    '/..',
    '/a/../..',
    '/%2e%2e',
    '/a#b',
    '/a\\b',
    '/a%5cb',
    '/a%00',
    '/a%0d%0aX',
    '/a%7f',
    '/a%',
    '/a%zz',
    '/\u00e9',
    '/a b',
    '/..;/x',
    '/.;x/y',
    '/a%2f..%2fb',
    '/..%3bx',
  ])('%s is refused', (raw) => {
    expect(() => canonicalPath(raw)).toThrow(expect.objectContaining({ code: 'REQUEST_MALFORMED' }));
  });

  test('with %2F says so, and keeps it', () => {
    expect(canonicalPath('/a%2fb')).toEqual({ path: '/a%2Fb', encodedSlash: true });
  });

  test('is spelt the same when it is spelt again', () => {
    const piece = fc.constantFrom('/', '.', '..', 'a', '%2e', '%2F', '%41', '%20', ';', '~', '%25');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        let once: string;
        try {
          once = canonicalPath(`/${pieces.join('')}`).path;
        } catch {
          return;
        }
        expect(canonicalPath(once).path).toBe(once);
        expect(once.split('/').some((segment) => segment === '.' || segment === '..')).toBe(false);
      }),
      withSeed({ numRuns: 500 }),
    );
  });
});

function route(name: string, spec: Partial<NamedRoute['spec']>): NamedRoute {
  const rest = { hosts: [], methods: [], headers: {}, query: {}, upstream: 'u', path: '/' };
  return { name, spec: { ...rest, ...spec } as NamedRoute['spec'] };
}

function find(routes: NamedRoute[], path: string, more: { host?: string; method?: string } = {}) {
  const router = new Router(routes, ({ name }) => name);
  return router.find({ method: 'GET', host: 'h', query: '', header: () => undefined, ...more, path });
}

describe('the router', () => {
  test('prefers text to one segment to the rest, and goes back where that leads nowhere', () => {
    const routes = [
      route('text', { path: '/a/b' }),
      route('one', { path: '/a/{x}/c' }),
      route('rest', { path: '/{all...}' }),
    ];
    expect(find(routes, '/a/b')).toEqual({ route: 'text', params: [] });
    expect(find(routes, '/a/b/c')).toEqual({ route: 'one', params: ['b'] });
    expect(find(routes, '/a/b/d')).toEqual({ route: 'rest', params: ['a/b/d'] });
    expect(find(routes, '/')).toEqual({ route: 'rest', params: [''] });
  });

  test('takes a version before the path of routes that have one there, after text, before one segment', () => {
    const routes = [
      route('shop', { path: '/shop/{id}' }),
      route('root', { path: '/' }),
      route('plain', { path: '/plain' }),
      route('text', { path: '/v1/shop/7' }),
      route('one', { path: '/{x}/shop/{y}' }),
    ];
    const router = new Router(
      routes,
      ({ name }) => name,
      ({ name }) => name !== 'plain' && name !== 'one',
    );
    const found = (path: string) => router.find({ method: 'GET', host: 'h', query: '', header: () => undefined, path });
    expect(found('/v2/shop/7')).toEqual({ route: 'shop', params: ['7'], version: 'v2' });
    expect(found('/2026-03-01/shop/7')).toEqual({ route: 'shop', params: ['7'], version: '2026-03-01' });
    expect(found('/v1/shop/7')).toEqual({ route: 'text', params: [] });
    for (const path of ['/2/shop/7', '/v0/shop/7', '/v02/shop/7', '/V2/shop/7', '/v2x/shop/7', '/v1234567/shop/7']) {
      expect([path, found(path).route]).toEqual([path, 'one']);
    }
    for (const path of ['/v3', '/v3/']) expect(found(path)).toEqual({ route: 'root', params: [], version: 'v3' });
    for (const path of ['/v2/plain', '/shop/v2/7', '/v2/v2/shop/7']) expect(() => found(path)).toThrow(/no route/);
  });

  test('prefers a host to a longer suffix to a shorter one to any', () => {
    const routes = [
      route('any', {}),
      route('short', { hosts: ['*.b'] }),
      route('long', { hosts: ['*.a.b'] }),
      route('exact', { hosts: ['x.a.b'] }),
    ];
    const by = (host: string) => find(routes, '/', { host }).route;
    expect(['x.a.b', 'y.a.b', 'y.b', 'b'].map(by)).toEqual(['exact', 'long', 'short', 'any']);
  });

  test('tells which methods a path takes', () => {
    const routes = [route('get', { methods: ['GET'] }), route('put', { methods: ['PUT'] })];
    expect(find(routes, '/', { method: 'PUT' }).route).toBe('put');
    expect(() => find(routes, '/', { method: 'POST' })).toThrow(
      expect.objectContaining({ details: { allow: 'GET, PUT' } }),
    );
  });
});

test('a rewrite puts parameters in their places, and refuses those the path has not', () => {
  expect(compileRewrite('/a/{x}/{y...}', '/{y}/b/{x}')?.(['1', '2/3'])).toBe('/2/3/b/1');
  expect(() => compileRewrite('/a/{x}', '/{z}')).toThrow(expect.objectContaining({ code: 'RESOURCE_INVALID' }));
});
