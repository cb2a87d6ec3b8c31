/** What an operator does to runs that are over, and to many at once. */
import { z } from 'zod';
import { asSluiceError } from '#kernel';
import { defineRoute, type Route } from '../http/route.ts';
import { checkJson } from '../http/shape.ts';
import { bulkAnswer, bulkBody, executionAnswer, retryBody } from './documents.ts';
import type { WorkflowService } from './service.ts';

const JSON_TYPE = 'application/json';
const TAG = 'Workflows';
const BODY_BYTES_MAX = 256 * 1024;

type Bulk = z.output<typeof bulkBody>;

export function operateRoutes(workflows: WorkflowService): Route[] {
  return [retryRoute(workflows), bulkRoute(workflows)];
}

function retryRoute(workflows: WorkflowService): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/executions/{id}/retry',
    tag: TAG,
    summary:
      'Run a task of a run that is over again, also with other input or a newer definition, and go on from there',
    access: 'admin',
    params: z.object({ id: z.string() }),
    body: { types: { [JSON_TYPE]: retryBody }, maxBytes: BODY_BYTES_MAX, optional: true },
    answers: { 200: { description: 'It is under way again', types: { [JSON_TYPE]: executionAnswer } } },
    handle: async (exchange, { params, body }) => {
      const given = body.length === 0 ? {} : checkJson(retryBody, body);
      exchange.json(200, await retry(workflows, params.id, given, exchange.principal.client ?? null));
    },
  });
}

function retry(
  workflows: WorkflowService,
  id: string,
  { task, input, version }: z.output<typeof retryBody>,
  by: string | null,
): ReturnType<WorkflowService['retry']> {
  return workflows.retry(id, { task: task ?? null, input, version: version ?? null, by });
}

function bulkRoute(workflows: WorkflowService): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/executions',
    tag: TAG,
    summary: 'Cancel, pause, resume or retry many runs, found as the list finds them',
    access: 'admin',
    body: { types: { [JSON_TYPE]: bulkBody }, maxBytes: BODY_BYTES_MAX },
    answers: { 200: { description: 'What became of each', types: { [JSON_TYPE]: bulkAnswer } } },
    handle: async (exchange, { body }) => {
      const asked = checkJson(bulkBody, body);
      const { workflow, status, since, until, limit } = asked;
      const found = await workflows.list({ workflow, status, since, until, labels: {}, limit, after: null });
      const ids = found.executions.map((row) => (row as { readonly id: string }).id);
      const by = exchange.principal.client ?? null;
      const done: string[] = [];
      const failed: { id: string; code: string; detail: string }[] = [];
      for (const id of ids) {
        try {
          await act(workflows, asked, id, by);
          done.push(id);
        } catch (error) {
          const { code, message } = asSluiceError(error);
          failed.push({ id, code, detail: message });
        }
      }
      exchange.json(200, { done, failed, more: found.next !== null });
    },
  });
}

async function act(workflows: WorkflowService, asked: Bulk, id: string, by: string | null): Promise<void> {
  const { action, reason, retry: given } = asked;
  if (action === 'retry') await retry(workflows, id, given ?? {}, by);
  else if (action === 'cancel') await workflows.act({ type: 'cancel', id, reason: reason ?? null, by });
  else await workflows.act({ type: action, id, by });
}
