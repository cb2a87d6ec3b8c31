/** The interface is as it is described: the document is valid OpenAPI 3.1, and every operation in it answers. */
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { ERROR_TABLE } from '#kernel';
import { type Fixture, serve } from './http-fixture.ts';

interface Operation {
  operationId: string;
  parameters: { name: string; in: string; required: boolean }[];
  requestBody?: { content: Record<string, unknown> };
  responses: Record<string, { content?: Record<string, unknown> }>;
}
type Document = { paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, unknown> } };

async function documentOf(server: Fixture): Promise<Document> {
  return (await (await server.get('/openapi.json')).json()) as Document;
}

test('the document is valid OpenAPI 3.1', async () => {
  const server = await serve();
  const validator = new Validator();
  const result = await validator.validate({ ...(await documentOf(server)) });
  expect(result.errors ?? []).toEqual([]);
  expect([result.valid, validator.version]).toEqual([true, '3.1']);
});

test('operations have names of their own, and refer only to schemas that are there', async () => {
  const server = await serve();
  const document = await documentOf(server);
  const ids = Object.values(document.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
  const references = JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g);
  for (const [, name] of references) expect(Object.keys(document.components.schemas)).toContain(name);
});

test('every operation answers as declared, or with a problem', async () => {
  const server = await serve();
  const document = await documentOf(server);
  let answered = 0;
  for (const [template, path] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(path)) {
      const url = template
        .replace('{topic}', 't')
        .replace('{partition}', '0')
        .replace(/\{\w+\}/g, 'x');
      const headers: Record<string, string> = {};
      const [type] = Object.keys(operation.requestBody?.content ?? {});
      if (type !== undefined) headers['content-type'] = type;
      const controller = new AbortController();
      const answer = await fetch(`${server.url}${url}`, {
        method: method.toUpperCase(),
        headers,
        signal: controller.signal,
        ...(type === undefined ? {} : { body: '{}' }),
      });
      const mediaType = answer.headers.get('content-type')?.split(';')[0] ?? '';
      if (answer.ok) {
        const declared = operation.responses[String(answer.status)];
        expect(declared, `${method} ${url} answered ${answer.status}`).toBeDefined();
        if (declared?.content !== undefined) expect(Object.keys(declared.content)).toContain(mediaType);
      } else {
        const told = (await answer.json()) as { code?: string; error_code?: number };
        const [declared] = Object.keys(operation.responses['default']?.content ?? {});
        expect(mediaType, `${method} ${url} answered ${answer.status}`).toBe(declared);
        if (declared === 'application/problem+json') {
          expect(Object.keys(ERROR_TABLE)).toContain(told.code);
          expect(['ROUTE_UNKNOWN', 'METHOD_NOT_ALLOWED', 'INTERNAL']).not.toContain(told.code);
        } else {
          // The registry's numbers begin with the status.
          expect(String(told.error_code).slice(0, 3)).toBe(String(answer.status));
        }
      }
      controller.abort();
      answered++;
    }
  }
  expect(answered).toBeGreaterThan(20);
});

test('every answer carries a request id: the caller’s where that is sane', async () => {
  const server = await serve();
  const id = async (given?: string) => {
    const answer = await server.get('/healthz', given === undefined ? {} : { 'x-request-id': given });
    return answer.headers.get('x-request-id');
  };
  expect(await id('abc-1.2_Z')).toBe('abc-1.2_Z');
  expect(await id('with space')).toMatch(/^[\w-]+$/);
  expect(await id('x'.repeat(129))).toMatch(/^[\w-]+$/);
  expect(await id()).not.toBe(await id());
  expect((await server.get('/nowhere')).headers.get('x-request-id')).toMatch(/^[\w-]+$/);
});

test('metrics count answers by route and status', async () => {
  const server = await serve();
  await server.produce([{ value: 1 }]);
  await server.get('/nowhere');
  const text = await (await server.get('/metrics')).text();
  expect(text).toContain('sluice_http_answers_total{method="POST",route="/v1/topics/{topic}/records",status="200"} 1');
  expect(text).toContain('sluice_http_answers_total{method="",route="",status="404"} 1');
  expect(text).toMatch(/sluice_http_request_seconds_count\{method="POST",route="\/v1\/topics\/\{topic\}\/records"\} 1/);
});
