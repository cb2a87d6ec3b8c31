/** What operators and programs ask of the server itself: is it alive, is it ready, its metrics, its interface. */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { ServerContext } from '../context.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { openApiDocument } from './openapi.ts';

const status = z.object({ status: z.string() });

/** @param routes all routes of the server, read when the document is first asked for */
export function serviceRoutes(context: ServerContext, routes: () => readonly Route[]): Route[] {
  return [healthRoute(), readyRoute(context), metricsRoute(context), openApiRoute(routes)];
}

function healthRoute(): Route {
  return defineRoute({
    method: 'GET',
    path: '/healthz',
    tag: 'Service',
    summary: 'Whether the process answers',
    access: 'open',
    busy: true,
    answers: { 200: { description: 'It does', types: { 'application/json': status } } },
    handle: (exchange) => exchange.json(200, { status: 'ok' }),
  });
}

function readyRoute(context: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: '/readyz',
    tag: 'Service',
    summary: 'Whether the server takes work; 503 while it shuts down',
    access: 'open',
    busy: true,
    answers: { 200: { description: 'It does', types: { 'application/json': status } } },
    handle: (exchange) => {
      if (context.shutdown.aborted) throw new SluiceError('NOT_READY', 'the server is shutting down');
      exchange.json(200, { status: 'ready' });
    },
  });
}

function metricsRoute(context: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: '/metrics',
    tag: 'Service',
    summary: 'Metrics in the Prometheus text format',
    access: 'observe',
    busy: true,
    answers: { 200: { description: 'The metrics', types: { 'text/plain': null } } },
    handle: (exchange) => exchange.bytes(200, 'text/plain; version=0.0.4; charset=utf-8', context.metrics.render()),
  });
}

function openApiRoute(routes: () => readonly Route[]): Route {
  let text: string | undefined;
  return defineRoute({
    method: 'GET',
    path: '/openapi.json',
    tag: 'Service',
    summary: 'This interface as OpenAPI 3.1',
    access: 'session',
    answers: { 200: { description: 'The document', types: { 'application/json': null } } },
    handle: (exchange) => {
      text ??= JSON.stringify(openApiDocument(routes()));
      exchange.bytes(200, 'application/json', text);
    },
  });
}
