/** The paths of Confluent Schema Registry: answers, error numbers, media types, modes, deletion, keys. */
import { describe, expect, test } from 'vitest';
import { type Fixture, serve } from './http-fixture.ts';

const TYPE = 'application/vnd.schemaregistry.v1+json';

const record = (...fields: object[]) => JSON.stringify({ type: 'record', name: 'Order', fields });
const one = record({ name: 'a', type: 'int' });
const two = record({ name: 'a', type: 'int' }, { name: 'b', type: 'int', default: 0 });
const other = record({ name: 'a', type: 'string' });

interface Registry {
  readonly server: Fixture;
  /** Method, path and body; the status and the parsed answer, whose media type is looked at. */
  ask(method: string, path: string, body?: object): Promise<[status: number, answer: unknown]>;
}

async function registry(headers: Record<string, string> = {}): Promise<Registry> {
  const server = await serve();
  return {
    server,
    ask: async (method, path, body) => {
      const answer = await server.send(method, path, body, {
        ...headers,
        ...(body === undefined ? {} : { 'content-type': TYPE }),
      });
      expect(answer.headers.get('content-type')).toBe(TYPE);
      return [answer.status, await answer.json()];
    },
  };
}

const refusal = (number: number) => [Math.floor(number / 100), { error_code: number, message: expect.any(String) }];

describe('versions', () => {
  test('are registered, listed, looked up and read', async () => {
    const { ask } = await registry();
    expect(await ask('POST', '/subjects/order/versions', { schema: one })).toEqual([200, { id: 1 }]);
    expect(await ask('POST', '/subjects/order/versions', { schema: two })).toEqual([200, { id: 2 }]);
    expect(await ask('POST', '/subjects/order/versions', { schema: one })).toEqual([200, { id: 1 }]);
    expect(await ask('POST', '/subjects/copy/versions', { schema: one })).toEqual([200, { id: 1 }]);
    expect(await ask('GET', '/subjects')).toEqual([200, ['copy', 'order']]);
    expect(await ask('GET', '/subjects?subjectPrefix=or')).toEqual([200, ['order']]);
    expect(await ask('GET', '/subjects/order/versions')).toEqual([200, [1, 2]]);
    const second = { subject: 'order', id: 2, version: 2, schema: two };
    for (const version of ['2', 'latest', '-1']) {
      expect(await ask('GET', `/subjects/order/versions/${version}`)).toEqual([200, second]);
    }
    expect(await ask('GET', '/subjects/order/versions/1/schema')).toEqual([200, JSON.parse(one)]);
    expect(await ask('POST', '/subjects/order?normalize=true', { schema: two })).toEqual([200, second]);
    expect(await ask('GET', '/schemas/ids/2')).toEqual([200, { schema: two }]);
    expect(await ask('GET', '/schemas/ids/2/schema')).toEqual([200, JSON.parse(two)]);
    expect(await ask('GET', '/schemas/ids/1/subjects')).toEqual([200, ['order', 'copy']]);
    expect(await ask('GET', '/schemas/ids/1/versions')).toEqual([
      200,
      [
        { subject: 'order', version: 1 },
        { subject: 'copy', version: 1 },
      ],
    ]);
    expect(await ask('GET', '/schemas/types')).toEqual([200, ['JSON', 'AVRO', 'PROTOBUF']]);
    expect(await ask('GET', '/mode')).toEqual([200, { mode: 'READWRITE' }]);
  });

  test('are the same that are declared as resources', async () => {
    const { server, ask } = await registry();
    await server.send('PUT', '/v1/schemas/order', { type: 'json', schema: { type: 'string' }, description: 'kept' });
    expect(await ask('GET', '/subjects/order/versions/1')).toEqual([
      200,
      { subject: 'order', id: 1, version: 1, schema: '{"type":"string"}', schemaType: 'JSON' },
    ]);
    await ask('POST', '/subjects/order/versions', { schema: '{}', schemaType: 'JSON' });
    expect(server.resources.get('schema', 'order')).toMatchObject({
      version: 2,
      spec: { schema: '{}', description: 'kept' },
    });
  });

  test('refer to others', async () => {
    const { ask } = await registry();
    await ask('POST', '/subjects/line/versions', {
      schema: 'syntax = "proto3"; message Line {}',
      schemaType: 'PROTOBUF',
    });
    const references = [{ name: 'line.proto', subject: 'line', version: 1 }];
    const order = {
      schemaType: 'PROTOBUF',
      schema: 'syntax = "proto3"; import "line.proto"; message Order { Line a = 1; }',
      references,
    };
    expect(await ask('POST', '/subjects/order/versions', order)).toEqual([200, { id: 2 }]);
    expect(await ask('GET', '/schemas/ids/2')).toEqual([200, order]);
    expect(await ask('GET', '/subjects/line/versions/1/referencedby')).toEqual([200, [2]]);
    expect(await ask('DELETE', '/subjects/line')).toEqual(refusal(42206));
    expect(await ask('DELETE', '/subjects/line/versions/1')).toEqual(refusal(42206));
  });
});

test('errors have the numbers that clients know', async () => {
  const { ask } = await registry();
  await ask('POST', '/subjects/order/versions', { schema: one });
  const wrong: [string, string, object | undefined, number][] = [
    ['GET', '/subjects/none/versions', undefined, 40401],
    ['GET', '/subjects/none/versions/1', undefined, 40401],
    ['POST', '/subjects/none', { schema: one }, 40401],
    ['DELETE', '/subjects/none', undefined, 40401],
    ['GET', '/subjects/order/versions/7', undefined, 40402],
    ['DELETE', '/subjects/order/versions/7', undefined, 40402],
    ['POST', '/compatibility/subjects/order/versions/7', { schema: one }, 40402],
    ['POST', '/subjects/order', { schema: two }, 40403],
    ['GET', '/schemas/ids/7', undefined, 40403],
    ['GET', '/config/order', undefined, 40408],
    ['DELETE', '/config/order', undefined, 40408],
    ['POST', '/subjects/order/versions', { schema: '{"type":"record"}' }, 42201],
    ['POST', '/subjects/order/versions', { schema: 'x' }, 42201],
    ['POST', '/subjects/order/versions', { schema: one, schemaType: 'XML' }, 42201],
    ['POST', '/subjects/order/versions', {}, 42201],
    ['GET', '/subjects/order/versions/0', undefined, 42202],
    ['GET', '/subjects/order/versions/last', undefined, 42202],
    ['PUT', '/config', { compatibility: 'SIDEWARD' }, 42203],
    ['PUT', '/config/order', { compatibility: 'backward' }, 42203],
    ['DELETE', '/subjects/order?permanent=true', undefined, 42205],
    ['GET', '/subjects/a%20b/versions', undefined, 42208],
    ['POST', '/subjects/order/versions', { schema: two, ruleSet: { domainRules: [] } }, 42210],
  ];
  for (const [method, path, body, number] of wrong)
    expect([path, ...(await ask(method, path, body))]).toEqual([path, ...refusal(number)]);
  expect(await ask('POST', '/subjects/order/versions', { schema: other })).toEqual([
    409,
    { error_code: 409, message: 'order: it cannot read version 1: #/fields/a: int cannot be read as string' },
  ]);
});

test('a body of another type, or none, is refused in the registry’s own words', async () => {
  const { server } = await registry();
  for (const [type, body, status] of [
    ['text/plain', '{}', 415],
    [TYPE, '{', 400],
    ['application/json', JSON.stringify({ schema: one }), 200],
    ['application/vnd.schemaregistry+json', JSON.stringify({ schema: one }), 200],
  ] as const) {
    const answer = await server.send('POST', '/subjects/order/versions', body, { 'content-type': type });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, TYPE]);
  }
});

describe('compatibility', () => {
  test('is tested without registering', async () => {
    const { ask } = await registry();
    await ask('POST', '/subjects/order/versions', { schema: one });
    await ask('POST', '/subjects/order/versions', { schema: two });
    const check = (path: string, schema: string) => ask('POST', `/compatibility/subjects/${path}`, { schema });
    expect(await check('order/versions/latest', one)).toEqual([200, { is_compatible: true }]);
    expect(await check('order/versions/1', other)).toEqual([200, { is_compatible: false }]);
    expect(await check('order/versions/1?verbose=true', other)).toEqual([
      200,
      { is_compatible: false, messages: ['cannot read version 1: #/fields/a: int cannot be read as string'] },
    ]);
    expect(await check('order/versions?verbose=true', two)).toEqual([200, { is_compatible: true, messages: [] }]);
    expect(await check('none/versions', one)).toEqual([200, { is_compatible: true }]);
    expect(await ask('GET', '/subjects/order/versions')).toEqual([200, [1, 2]]);
  });

  test('has a mode for all, and modes of subjects, which may come before the subject does', async () => {
    const { server, ask } = await registry();
    expect(await ask('GET', '/config')).toEqual([200, { compatibilityLevel: 'BACKWARD' }]);
    expect(await ask('PUT', '/config', { compatibility: 'FULL_TRANSITIVE' })).toEqual([
      200,
      { compatibility: 'FULL_TRANSITIVE' },
    ]);
    expect(await ask('GET', '/config/order?defaultToGlobal=true')).toEqual([
      200,
      { compatibilityLevel: 'FULL_TRANSITIVE' },
    ]);
    expect(await ask('PUT', '/config/order', { compatibility: 'NONE' })).toEqual([200, { compatibility: 'NONE' }]);
    await ask('POST', '/subjects/order/versions', { schema: one });
    expect(await ask('POST', '/subjects/order/versions', { schema: other })).toEqual([200, { id: 2 }]);
    await ask('PUT', '/config/order', { compatibility: 'FORWARD' });
    expect(server.resources.get('schema', 'order').spec['compatibility']).toBe('forward');
    expect(await ask('GET', '/config/order')).toEqual([200, { compatibilityLevel: 'FORWARD' }]);
    expect(await ask('DELETE', '/config/order')).toEqual([200, { compatibility: 'FORWARD' }]);
    expect(await ask('GET', '/config/order')).toEqual(refusal(40408));
    expect(await ask('DELETE', '/config')).toEqual([200, { compatibility: 'FULL_TRANSITIVE' }]);
    expect(await ask('GET', '/config')).toEqual([200, { compatibilityLevel: 'BACKWARD' }]);
  });
});

describe('deletion', () => {
  test('of a subject leaves its numbers readable, and it goes on counting', async () => {
    const { server, ask } = await registry();
    await ask('POST', '/subjects/order/versions', { schema: one });
    await ask('POST', '/subjects/order/versions', { schema: two });
    expect(await ask('DELETE', '/subjects/order')).toEqual([200, [1, 2]]);
    expect(await ask('GET', '/subjects')).toEqual([200, []]);
    expect(await ask('GET', '/subjects?deleted=true')).toEqual([200, ['order']]);
    expect(await ask('GET', '/subjects/order/versions?deleted=true')).toEqual([200, [1, 2]]);
    expect(await ask('GET', '/schemas/ids/2')).toEqual([200, { schema: two }]);
    expect(server.resources.find('schema', 'order')).toBeUndefined();
    expect(await ask('POST', '/subjects/order/versions', { schema: other })).toEqual([200, { id: 3 }]);
    expect(await ask('GET', '/subjects/order/versions')).toEqual([200, [3]]);
  });

  test('of a version makes the one before the newest, in the document too', async () => {
    const { server, ask } = await registry();
    for (const schema of [one, two]) await ask('POST', '/subjects/order/versions', { schema });
    expect(await ask('DELETE', '/subjects/order/versions/latest')).toEqual([200, 2]);
    expect(await ask('GET', '/subjects/order/versions')).toEqual([200, [1]]);
    expect(server.resources.get('schema', 'order').spec['schema']).toBe(one);
    expect(await ask('POST', '/subjects/order/versions', { schema: two })).toEqual([200, { id: 2 }]);
    expect(await ask('DELETE', '/subjects/order/versions/1')).toEqual([200, 1]);
    expect(await ask('GET', '/subjects/order/versions')).toEqual([200, [3]]);
    expect(server.resources.get('schema', 'order').spec['schema']).toBe(two);
    expect(await ask('DELETE', '/subjects/order/versions/3')).toEqual([200, 3]);
    expect(await ask('GET', '/subjects')).toEqual([200, []]);
  });

  test('of what a topic is bound to is refused', async () => {
    const { server, ask } = await registry();
    await ask('POST', '/subjects/order/versions', { schema: one });
    await server.send('PUT', '/v1/topics/t', { partitions: 2, value_schema: 'order' });
    expect(await ask('DELETE', '/subjects/order')).toEqual(refusal(42206));
    expect(await ask('DELETE', '/subjects/order/versions/1')).toEqual(refusal(42206));
    expect(await ask('GET', '/subjects/order/versions')).toEqual([200, [1]]);
  });
});

test('keys are asked for, also as the password of Basic authentication; writing is for administrators', async () => {
  const { server, ask } = await registry();
  const client = async (name: string, scopes: string[], key = '') => {
    const answer = await server.send('PUT', `/v1/clients/${name}`, { scopes }, { 'x-api-key': key });
    return ((await answer.json()) as { key: string }).key;
  };
  const root = await client('root', ['admin']);
  const till = await client('till', ['produce:t'], root);
  expect(await ask('GET', '/subjects')).toEqual([401, { error_code: 401, message: 'an API key is needed' }]);
  const basic = (key: string, name = 'anyone') => ({
    authorization: `Basic ${Buffer.from(`${name}:${key}`).toString('base64')}`,
  });
  const status = async (method: string, path: string, headers: Record<string, string>, body?: object) =>
    (await server.send(method, path, body, headers)).status;
  expect(await status('POST', '/subjects/order/versions', basic(root), { schema: one })).toBe(200);
  expect(await status('GET', '/schemas/ids/1', basic(till))).toBe(200);
  expect(await status('GET', '/schemas/ids/1', { authorization: `Bearer ${till}` })).toBe(200);
  expect(await status('GET', '/schemas/ids/1', basic('slk_none'))).toBe(401);
  expect(await status('POST', '/subjects/order/versions', basic(till), { schema: two })).toBe(403);
  expect(await status('POST', '/compatibility/subjects/order/versions', basic(till), { schema: two })).toBe(403);
  expect(await status('GET', '/v1/topics', basic(root))).toBe(401);
});
