/** Processors at work: how they are, pausing, resuming, moving them to another place, and looking into their state. */
import { Unpackr } from 'msgpackr';
import { z } from 'zod';
import { SluiceError } from '#kernel';
import { type ProcessorStatus, type ResetTarget, stateSpaceOf } from '#processing';
import type { ServerContext } from '../context.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { checkJson } from '../http/shape.ts';
import { parseFrom } from '../read/start.ts';
import { resetShape, stateAnswer, statusAnswer } from './documents.ts';

const JSON_TYPE = 'application/json';
const BODY_BYTES_MAX = 64 * 1024;
const ENTRIES_MAX = 1_000;
const PATH = '/v1/processors/{name}';
const name = z.object({ name: z.string() });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });
const answers = { 200: { description: 'How it is', types: { [JSON_TYPE]: statusAnswer } } };

export function processorRoutes(context: ServerContext): Route[] {
  const { processors } = context;
  return [
    statusRoute(context),
    actionRoute(context, 'pause', 'Stop after the run under way; stays so over restarts', (at) => processors.pause(at)),
    actionRoute(context, 'resume', 'Go on, also after a failure; its code is loaded anew', (at) =>
      processors.resume(at),
    ),
    resetRoute(context),
    stateRoute(context),
  ];
}

function statusRoute({ processors }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: `${PATH}/status`,
    tag: 'Processors',
    summary: 'State, lag, rate and errors of a processor and each of its partitions',
    access: 'observe',
    params: name,
    answers,
    handle: (exchange, { params }) => exchange.json(200, shown(processors.status(params.name))),
  });
}

function actionRoute(
  { processors }: ServerContext,
  action: string,
  summary: string,
  act: (name: string) => Promise<void>,
): Route {
  return defineRoute({
    method: 'POST',
    path: `${PATH}/${action}`,
    tag: 'Processors',
    summary,
    access: 'admin',
    params: name,
    answers,
    handle: async (exchange, { params }) => {
      await act(params.name);
      exchange.json(200, shown(processors.status(params.name)));
    },
  });
}

function resetRoute({ processors }: ServerContext): Route {
  return defineRoute({
    method: 'POST',
    path: `${PATH}/reset`,
    tag: 'Processors',
    summary: 'Move it to another place, with an empty state unless that is to be kept; then it goes on',
    access: 'admin',
    params: name,
    body: { types: { [JSON_TYPE]: resetShape }, maxBytes: BODY_BYTES_MAX },
    answers,
    handle: async (exchange, { params, body }) => {
      const { to, state } = checkJson(resetShape, body);
      await processors.reset(params.name, targetOf(to), state === 'keep');
      exchange.json(200, shown(processors.status(params.name)));
    },
  });
}

/** @throws REQUEST_INVALID */
function targetOf(to: string | readonly number[]): ResetTarget {
  if (typeof to !== 'string') return { offsets: to };
  if (to === 'earliest' || to === 'latest') return to;
  const from = parseFrom(to, 'to');
  if (typeof from === 'object' && 'time' in from) return { time: from.time };
  throw new SluiceError('REQUEST_INVALID', 'to is earliest, latest, @<epoch ms>, or a list of offsets', {
    field: 'to',
  });
}

function stateRoute({ log, processors }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: `${PATH}/state`,
    tag: 'Processors',
    summary: 'Committed state: one key of an operator in whatever partition has it, or one partition key by key',
    access: 'observe',
    params: name,
    query: z.object({
      operator: z.string().optional().describe('As it is named in the definition, else by its place and kind'),
      key: z.string().optional(),
      partition: z.coerce.number().int().min(0).optional().describe('Of a list: default 0'),
      from: z.string().default('').describe('Where the list goes on'),
      limit: z.coerce.number().int().min(1).max(ENTRIES_MAX).default(100),
    }),
    answers: { 200: { description: 'The entries', types: { [JSON_TYPE]: stateAnswer } } },
    handle: (exchange, { params, query }) => {
      const { inputs } = processors.status(params.name);
      const count = Math.max(1, ...inputs.map((topic) => log.findTopic(topic)?.partitions.length ?? 0));
      const { key, from, limit } = query;
      const prefix = query.operator === undefined ? '' : `${query.operator}/`;
      const entry = (partition: number, at: string, value: Uint8Array) => {
        return { partition, key: at.slice(prefix.length), value: unpackr.unpack(value) as unknown };
      };
      if (key !== undefined) {
        const all = Array.from({ length: count }, (_, index) => index);
        const entries = all.flatMap((partition) => {
          const value = log.getState(stateSpaceOf(params.name, partition), prefix + key);
          return value === undefined ? [] : [entry(partition, prefix + key, value)];
        });
        return exchange.json(200, { entries, next: null });
      }
      const partition = query.partition ?? 0;
      const found = log
        .scanState(stateSpaceOf(params.name, partition), prefix + from, limit + 1)
        .filter(([at]) => at.startsWith(prefix));
      const entries = found.slice(0, limit).map(([at, value]) => entry(partition, at, value));
      exchange.json(200, { entries, next: found[limit]?.[0].slice(prefix.length) ?? null });
    },
  });
}

function shown({ activity, partitions, ...rest }: ProcessorStatus): object {
  return {
    ...rest,
    activity: activity && {
      records: activity.records,
      records_per_s: activity.recordsPerSecond,
      produced: activity.produced,
      dead: activity.dead,
      errors: activity.errors,
      last_error: activity.lastError,
    },
    partitions: partitions.map(({ stateEntries, stateBytes, ...partition }) => {
      return { ...partition, state_entries: stateEntries, state_bytes: stateBytes };
    }),
  };
}
