/** Policies that look into bodies, from outside: compressed ones, API descriptions, fields of answers. */
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { waitFor } from '#kit';
import { behindShared } from './gateway-fixture.ts';
import { echo, post } from './gateway-policies-fixture.ts';
import { problemOf } from './http-fixture.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

describe('a compressed body', () => {
  const coded = (coding: string) => ({ ...JSON_TYPE, 'content-encoding': coding });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ] as const)('of %s is looked into, and passed on as it came', async (coding, compress) => {
    const gateway = await echo();
    const sizes = { body_bytes_max: 100_000, json: { depth_max: 2 } };
    await gateway.put('route', 'all', { path: '/{rest...}', upstream: 'main', sizes, screening: { mode: 'block' } });
    const send = async (text: string | Buffer) => await post(`${gateway.url}/x`, compress(text), coded(coding));
    const fine = await send('{"a":[1]}');
    expect(await fine.json()).toMatchObject({ headers: { 'content-encoding': coding } });
    expect(await problemOf(await send('[[[1]]]'))).toMatchObject({ code: 'BODY_TOO_COMPLEX' });
    const attack = JSON.stringify({ a: "1' UNION SELECT password FROM users--" });
    expect(await problemOf(await send(attack))).toMatchObject({ code: 'REQUEST_SUSPICIOUS' });
    // 64 MB in less than 100 KB.
    const bomb = compress(Buffer.alloc(64 * 1024 * 1024, 0x20));
    expect(bomb.length).toBeLessThan(100_000);
    expect(await problemOf(await post(`${gateway.url}/x`, bomb, coded(coding)))).toMatchObject({
      status: 413,
      code: 'REQUEST_TOO_LARGE',
    });
    expect(await problemOf(await post(`${gateway.url}/x`, 'no such thing', coded(coding)))).toMatchObject({
      status: 400,
      code: 'REQUEST_MALFORMED',
    });
  });

  test('of another coding, or of several, is refused where it is looked into, and passes elsewhere', async () => {
    const gateway = await echo();
    const send = (coding: string) => post(`${gateway.url}/x`, '{}', coded(coding));
    expect((await send('zstd')).status).toBe(200);
    await gateway.put('route', 'all', { path: '/{rest...}', upstream: 'main', sizes: { json: {} } });
    for (const coding of ['zstd', 'gzip, gzip']) {
      const refused = await send(coding);
      expect(refused.headers.get('accept-encoding')).toBe('gzip, deflate, br, identity');
      expect(await problemOf(refused)).toMatchObject({ status: 415, code: 'MEDIA_TYPE_UNSUPPORTED' });
    }
    expect((await send('identity')).status).toBe(200);
  });
});

const ITEM = { type: 'object', required: ['name'], properties: { name: { type: 'string', maxLength: 5 } } };
const content = { 'application/json': { schema: ITEM } };
const OPENAPI = {
  openapi: '3.1.0',
  paths: {
    '/items/{id}': {
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer' } }],
      get: { responses: { 200: { content } } },
      put: { requestBody: { required: true, content }, responses: { 200: { content } } },
    },
  },
};

describe('a route with an API description', () => {
  /** Before an upstream that answers with the body that the header `x-answer` says. */
  const described = async (validate: object = {}) => {
    const gateway = await behindShared((request, response) => {
      request.resume();
      request.on('end', () => {
        response.setHeader('content-type', String(request.headers['x-type'] ?? 'application/json'));
        response.end(String(request.headers['x-answer'] ?? '{"name":"fine"}'));
      });
    });
    const spec = { openapi: OPENAPI, base_path: '/v1', responses: 'block', ...validate };
    await gateway.put('route', 'all', { path: '/v1/{rest...}', upstream: 'main', validate: spec });
    return gateway;
  };
  const counted = (policy: string, outcome: string) =>
    new RegExp(
      `^sluice_gateway_findings_total\\{(?=[^}]*policy="${policy}")(?=[^}]*outcome="${outcome}")[^}]*\\} (\\d+)`,
      'm',
    );

  test('refuses requests that do not fit, and says where', async () => {
    const gateway = await described();
    const put = (body: string, path = '/v1/items/7', headers: Record<string, string> = JSON_TYPE) =>
      fetch(`${gateway.url}${path}`, { method: 'PUT', body, headers });
    expect((await put('{"name":"ann"}')).status).toBe(200);
    expect(await problemOf(await put('{"name":"anneliese"}'))).toMatchObject({
      status: 400,
      code: 'REQUEST_MISMATCH',
      errors: [{ in: 'body', pointer: '/name', message: 'must NOT have more than 5 characters' }],
    });
    expect(await problemOf(await put('{}', '/v1/items/x'))).toMatchObject({
      code: 'REQUEST_MISMATCH',
      errors: [{ in: 'path', pointer: '/id', message: 'must be integer' }],
    });
    expect(await problemOf(await put('{}', '/v1/other'))).toMatchObject({ status: 404, code: 'OPERATION_UNKNOWN' });
    const post = await fetch(`${gateway.url}/v1/items/7`, { method: 'POST', body: '{}' });
    expect([post.headers.get('allow'), await problemOf(post)]).toMatchObject([
      'GET, PUT',
      { status: 405, code: 'METHOD_NOT_ALLOWED' },
    ]);
    expect(await problemOf(await put('x', '/v1/items/7', { 'content-type': 'text/plain' }))).toMatchObject({
      status: 415,
      code: 'MEDIA_TYPE_UNSUPPORTED',
    });
  });

  test('lets no answer pass that does not fit, and says nothing of it', async () => {
    const gateway = await described();
    expect(await (await gateway.get('/v1/items/7')).json()).toEqual({ name: 'fine' });
    for (const headers of [
      { 'x-answer': '{"name":"much too long a secret"}' },
      { 'x-answer': '{"secret":1}' },
      { 'x-answer': 'secret' },
      { 'x-answer': '{"name":"secret"}', 'x-type': 'text/html' },
    ]) {
      const answer = await gateway.get('/v1/items/7', headers as Record<string, string>);
      const problem = await problemOf(answer);
      expect(problem).toMatchObject({ status: 502, code: 'RESPONSE_MISMATCH' });
      expect(JSON.stringify(problem)).not.toContain('secret');
    }
  });

  test('counts only, in mode log', async () => {
    const gateway = await described({ requests: 'log', responses: 'log' });
    expect((await gateway.get('/v1/items/x', { 'x-answer': '{"other":1}' })).status).toBe(200);
    await waitFor(async () => (await gateway.metric(counted('validate-request', 'passed'))) === 1, {
      what: 'the request to be counted',
    });
    await waitFor(async () => (await gateway.metric(counted('validate-response', 'passed'))) === 1, {
      what: 'the answer to be counted',
    });
  });

  test('is not declared with one that is none, or could hold a thread up', async () => {
    const gateway = await described();
    const declare = async (openapi: object) =>
      await problemOf(
        await gateway.declare('route', 'all', { path: '/v1/{rest...}', upstream: 'main', validate: { openapi } }),
      );
    expect(await declare({ swagger: '2.0' })).toMatchObject({ code: 'RESOURCE_INVALID', field: 'validate' });
    const schema = { type: 'string', pattern: '^(a+)+$' };
    const slow = { get: { parameters: [{ name: 'q', in: 'query', schema }], responses: {} } };
    const problem = await declare({ openapi: '3.1.0', paths: { '/a': slow } });
    expect(problem).toMatchObject({ code: 'RESOURCE_INVALID', field: 'validate' });
    expect(problem['detail']).toContain('could take too long');
    expect((await gateway.get('/v1/items/7')).status).toBe(200);
  });
});

test('a route with fields of answers shows what is allowed, and nothing that it cannot look into', async () => {
  const gateway = await behindShared((request, response) => {
    const type = request.url === '/page' ? 'text/html' : 'application/json';
    response.setHeader('content-type', type).setHeader('etag', '"1"');
    if (request.url === '/events') response.setHeader('content-type', 'text/event-stream').write('data: secret\n\n');
    else response.end('{"id":12345678901234567890,"card":"4111111111111111","secret":{"deep":1}}');
  });
  const response_fields = { allow: ['/id', '/card'], redact: [{ path: '/card', mask: 4 }] };
  await gateway.put('route', 'all', { path: '/{rest...}', upstream: 'main', response_fields });
  const answer = await gateway.get('/x', { range: 'bytes=0-3' });
  expect([answer.status, answer.headers.get('etag')]).toEqual([200, null]);
  expect(await answer.text()).toBe('{"id":12345678901234567890,"card":"************1111"}');
  for (const path of ['/page', '/events']) {
    const problem = await problemOf(await gateway.get(path));
    expect(problem).toMatchObject({ status: 502, code: 'UPSTREAM_ANSWER_INVALID' });
    expect(JSON.stringify(problem)).not.toMatch(/4111|deep|data:/);
  }
});
