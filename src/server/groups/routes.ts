/** Consumer groups: who is in them, where they stand and how far behind, and setting where they go on. */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { GroupDescription, Partition, Topic } from '#log';
import type { ServerContext } from '../context.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { checkJson } from '../http/shape.ts';
import { partitionAt } from '../produce/partitioner.ts';
import { parseFrom, startOffset } from '../read/start.ts';
import { groupAnswer, resetAnswer } from './documents.ts';

const JSON_TYPE = 'application/json';
const RESET_BYTES_MAX = 64 * 1024;

const group = z.object({ group: z.string() });
const resetShape = z.strictObject({
  topic: z.string(),
  to: z
    .union([z.string(), z.record(z.string().regex(/^\d{1,9}$/, 'must be a partition'), z.int().min(0))])
    .describe('earliest, latest, @<epoch ms>, or partition: offset'),
});

export function groupRoutes(context: ServerContext): Route[] {
  return [listRoute(context), describeRoute(context), resetRoute(context), deleteRoute(context)];
}

function listRoute({ groups }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/groups',
    tag: 'Groups',
    summary: 'List consumer groups',
    access: 'observe',
    answers: { 200: { description: 'Names', types: { [JSON_TYPE]: z.array(z.string()) } } },
    handle: (exchange) => exchange.json(200, groups.list()),
  });
}

function describeRoute({ groups }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/groups/{group}',
    tag: 'Groups',
    summary: 'Members, assignment, committed offsets and lag of a group',
    access: 'observe',
    params: group,
    answers: { 200: { description: 'The group', types: { [JSON_TYPE]: groupAnswer } } },
    handle: (exchange, { params }) => exchange.json(200, shown(groups.describe(params.group))),
  });
}

function shown({ queues, ...group }: GroupDescription): object {
  const depths = queues.map(({ topic, inFlight, away, delayed, waiting }) => {
    return { topic, in_flight: inFlight, away, delayed, waiting };
  });
  return { ...group, queues: depths };
}

function resetRoute(context: ServerContext): Route {
  return defineRoute({
    method: 'PUT',
    path: '/v1/groups/{group}/offsets',
    tag: 'Groups',
    summary: 'Set where a group without members goes on',
    access: 'session',
    params: group,
    body: { types: { [JSON_TYPE]: resetShape }, maxBytes: RESET_BYTES_MAX },
    answers: { 200: { description: 'Where it goes on', types: { [JSON_TYPE]: resetAnswer } } },
    handle: async (exchange, { params, body }) => {
      const { topic: name, to } = checkJson(resetShape, body);
      exchange.principal.require('consume', name);
      const offsets = offsetsFor(context.log.topic(name), to);
      await context.groups.resetOffsets(params.group, name, offsets);
      exchange.json(200, { topic: name, offsets: Object.fromEntries(offsets) });
    },
  });
}

function deleteRoute({ groups }: ServerContext): Route {
  return defineRoute({
    method: 'DELETE',
    path: '/v1/groups/{group}',
    tag: 'Groups',
    summary: 'Forget a group without members',
    access: 'admin',
    params: group,
    answers: { 204: { description: 'Forgotten' } },
    handle: async (exchange, { params }) => {
      await groups.delete(params.group);
      exchange.empty(204);
    },
  });
}

/** @throws PARTITION_UNKNOWN, OFFSET_OUT_OF_RANGE, REQUEST_INVALID */
function offsetsFor(topic: Topic, to: string | Record<string, number>): Map<number, number> {
  if (typeof to === 'string') {
    const from = parseFrom(to, 'to');
    if (typeof from === 'number') {
      throw new SluiceError('REQUEST_INVALID', 'to must name the partition of an offset: {"0": 5}', { field: 'to' });
    }
    return new Map(topic.partitions.map((partition) => [partition.index, startOffset(partition, from)]));
  }
  return new Map(
    Object.entries(to).map(([index, offset]) => [Number(index), within(partitionAt(topic, Number(index)), offset)]),
  );
}

function within(partition: Partition, offset: number): number {
  const { start, durable } = partition;
  if (offset >= start && offset <= durable) return offset;
  throw new SluiceError('OFFSET_OUT_OF_RANGE', `partition ${partition.index} holds ${start} to ${durable}`, {
    partition: partition.index,
    start,
    durable,
  });
}
