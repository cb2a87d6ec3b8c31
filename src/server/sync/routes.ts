/** Sync jobs at work: how they are and were, running, pausing, resuming and rewinding them. */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { ServerContext } from '../context.ts';
import { wholeNumber } from '../http/params.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { checkJson } from '../http/shape.ts';
import { parseFrom } from '../read/start.ts';
import { compareShape, comparisonAnswer, jobAnswer, rewindShape, runAnswer, type SyncJobs } from './documents.ts';

const JSON_TYPE = 'application/json';
const BODY_BYTES_MAX = 64 * 1024;
const RUNS_MAX = 100;
const PATH = '/v1/sync-jobs/{name}';
const TAG = 'Sync';
const name = z.object({ name: z.string() });
const answers = { 200: { description: 'How it is', types: { [JSON_TYPE]: jobAnswer } } };

export function syncRoutes({ sync }: ServerContext): Route[] {
  if (sync === undefined) return [];
  return [
    listRoute(sync),
    statusRoute(sync),
    runsRoute(sync),
    actionRoute(sync, 'run', 'Begin a run now', async (at) => sync.requestRun(at)),
    actionRoute(sync, 'pause', 'Stop after the batch under way; stays so over restarts', (at) => sync.pause(at)),
    actionRoute(sync, 'resume', 'Go on where it was, also after it has stopped', (at) => sync.resume(at)),
    actionRoute(sync, 'reset', 'Forget where the source was read to: the next run begins at the beginning', (at) =>
      sync.reset(at),
    ),
    rewindRoute(sync),
    compareRoute(sync),
    comparisonRoute(sync),
  ];
}

function listRoute(sync: SyncJobs): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/sync',
    tag: TAG,
    summary: 'How all sync jobs are',
    access: 'observe',
    answers: { 200: { description: 'By name', types: { [JSON_TYPE]: z.array(jobAnswer) } } },
    handle: (exchange) => exchange.json(200, sync.statuses()),
  });
}

function statusRoute(sync: SyncJobs): Route {
  return defineRoute({
    method: 'GET',
    path: `${PATH}/status`,
    tag: TAG,
    summary: 'State, reason, lag, and the run under way of a sync job',
    access: 'observe',
    params: name,
    answers,
    handle: (exchange, { params }) => exchange.json(200, sync.status(params.name)),
  });
}

function runsRoute(sync: SyncJobs): Route {
  return defineRoute({
    method: 'GET',
    path: `${PATH}/runs`,
    tag: TAG,
    summary: 'What its runs have moved, newest first',
    access: 'observe',
    params: name,
    query: z.object({ limit: wholeNumber(RUNS_MAX).default(RUNS_MAX) }),
    answers: { 200: { description: 'The runs', types: { [JSON_TYPE]: z.array(runAnswer) } } },
    handle: (exchange, { params, query }) => exchange.json(200, sync.runs(params.name, Math.max(1, query.limit))),
  });
}

function actionRoute(sync: SyncJobs, action: string, summary: string, act: (name: string) => Promise<void>): Route {
  return defineRoute({
    method: 'POST',
    path: `${PATH}/${action}`,
    tag: TAG,
    summary,
    access: 'admin',
    params: name,
    answers,
    handle: async (exchange, { params }) => {
      await act(params.name);
      exchange.json(200, sync.status(params.name));
    },
  });
}

function rewindRoute(sync: SyncJobs): Route {
  return defineRoute({
    method: 'POST',
    path: `${PATH}/rewind`,
    tag: TAG,
    summary: 'Write again what its topic holds from a place on',
    access: 'admin',
    params: name,
    body: { types: { [JSON_TYPE]: rewindShape }, maxBytes: BODY_BYTES_MAX },
    answers,
    handle: async (exchange, { params, body }) => {
      await sync.rewind(params.name, targetOf(checkJson(rewindShape, body).to));
      exchange.json(200, sync.status(params.name));
    },
  });
}

function compareRoute(sync: SyncJobs): Route {
  return defineRoute({
    method: 'POST',
    path: `${PATH}/compare`,
    tag: TAG,
    summary: 'Begin to compare what the source and the target of a job hold, record by record',
    access: 'admin',
    params: name,
    body: { types: { [JSON_TYPE]: compareShape }, maxBytes: BODY_BYTES_MAX },
    answers: { 202: { description: 'It is under way', types: { [JSON_TYPE]: comparisonAnswer } } },
    handle: async (exchange, { params, body }) => {
      sync.compare(params.name, checkJson(compareShape, body).repair);
      exchange.json(202, sync.comparison(params.name));
    },
  });
}

function comparisonRoute(sync: SyncJobs): Route {
  return defineRoute({
    method: 'GET',
    path: `${PATH}/compare`,
    tag: TAG,
    summary: 'The newest comparison of a job since the server started',
    access: 'observe',
    params: name,
    answers: { 200: { description: 'How far it is, or what it found', types: { [JSON_TYPE]: comparisonAnswer } } },
    handle: (exchange, { params }) => exchange.json(200, sync.comparison(params.name)),
  });
}

/** @throws REQUEST_INVALID */
function targetOf(to: string | readonly number[]): Parameters<SyncJobs['rewind']>[1] {
  if (typeof to !== 'string') return { offsets: to };
  if (to === 'earliest' || to === 'latest') return to;
  const from = parseFrom(to, 'to');
  if (typeof from === 'object' && 'time' in from) return { time: from.time };
  const message = 'to is earliest, latest, @<epoch ms>, or a list of offsets';
  throw new SluiceError('REQUEST_INVALID', message, { field: 'to' });
}
