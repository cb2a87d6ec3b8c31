/**
 * `POST /v1/topics/{topic}/records`: the load-bearing path. A request with one plain record takes the short way: its
 * JSON is checked by hand and it goes to the record sink without a promise of its own.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { Topic } from '#log';
import { BATCH_HEADER_BYTES, batchCount } from '#record';
import type { ServerContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';
import { mediaType } from '../http/media-type.ts';
import { topicName } from '../http/params.ts';
import type { Route } from '../http/route.ts';
import { appendBatch, appendRecords, type Placed } from './append.ts';
import { readJsonBody, readMsgpackBody, readNdjsonBody } from './bodies.ts';
import { isBinaryEvent, readBinaryEvent, readEventBatch, readStructuredEvent } from './cloud-events.ts';
import { batchAnswer, cloudEvent, offsetsAnswer, partialAnswer, produceBody, recordShape } from './documents.ts';
import type { ProducedRecord } from './record-shape.ts';
import type { RecordOutcome } from './record-sink.ts';
import { type ProduceRequest, produceQuery, readProduceRequest } from './request.ts';
import { entriesOf, type Rejection, rejectionsOf, requireSome } from './screening.ts';

const JSON_TYPE = 'application/json';
const BATCH_TYPE = 'application/vnd.sluice.batch';

export function produceRoutes(context: ServerContext): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/topics/{topic}/records',
      tag: 'Records',
      summary: 'Append records; the content type says how they are written',
      access: 'produce',
      busy: true,
      params: z.object({ topic: topicName }),
      query: produceQuery,
      headers: [
        { name: 'Producer-Id', description: 'Name of an idempotent producer; the request is stored once' },
        { name: 'Producer-Epoch', description: 'Fences holders of a lower epoch; 0 to 32767' },
        { name: 'Producer-Seq', description: 'Sequence number of the first record; the next is this plus the count' },
        { name: 'Expected-Offset', description: 'The offset the first record must get, else 412' },
      ],
      body: {
        types: {
          [JSON_TYPE]: produceBody,
          'application/x-ndjson': recordShape,
          'application/msgpack': null,
          'application/cloudevents+json': cloudEvent,
          'application/cloudevents-batch+json': z.array(cloudEvent),
          [BATCH_TYPE]: null,
        },
        maxBytes: context.limits.requestBytesMax,
      },
      answers: {
        200: { description: 'Stored', types: { [JSON_TYPE]: z.union([offsetsAnswer, batchAnswer]) } },
        207: {
          description: 'Some records do not fit the schemas of the topic; the others are stored',
          types: { [JSON_TYPE]: partialAnswer },
        },
        204: { description: 'This producer stored the request before' },
      },
      run: (exchange) => produce(context, exchange),
    },
  ];
}

function produce(context: ServerContext, exchange: Exchange): void {
  const name = exchange.params[0] as string;
  if (name.startsWith('sys.')) throw new SluiceError('FORBIDDEN', 'topics of the system are written by the server');
  const topic = context.log.findTopic(name);
  const { requestBytesMax } = context.limits;
  if (topic !== undefined) {
    exchange.readBody(requestBytesMax, (body) => exchange.settle(() => store(context, exchange, topic, body)));
    return;
  }
  if (!context.settings.autoCreateTopics)
    throw new SluiceError('TOPIC_UNKNOWN', `there is no topic ${name}`, { topic: name });
  exchange.readBody(requestBytesMax, (body) => {
    const kept = body.slice();
    exchange.settle(async () => store(context, exchange, await context.createTopic(name), kept));
  });
}

function store(context: ServerContext, exchange: Exchange, topic: Topic, body: Uint8Array): void | Promise<void> {
  const request = readProduceRequest(exchange);
  const type = mediaType(exchange.header('content-type'));
  if (type === BATCH_TYPE) return storeBatch(exchange, topic, request, body);
  // The number of an idempotent producer may have to be waited for, and the body is gone by then.
  const bytes = request.producer === undefined ? body : body.slice();
  const records = readRecords(context, exchange, type, bytes);
  const rejections = rejectionsOf(context, topic.name, records);
  if (rejections.length > 0) return storeSome(context, exchange, topic, records, rejections, request);
  const [only] = records;
  if (records.length === 1 && only !== undefined && isPlain(request)) {
    storeOne(context, exchange, topic, only, request);
    return undefined;
  }
  return storeMany(context, exchange, topic, records, request);
}

function isPlain(request: ProduceRequest): boolean {
  return request.producer === undefined && request.expectedOffset === undefined;
}

function readRecords(
  context: ServerContext,
  exchange: Exchange,
  type: string,
  body: Uint8Array,
): readonly ProducedRecord[] {
  const { limits } = context;
  if (isBinaryEvent(exchange)) return readBinaryEvent(exchange, body, limits);
  switch (type) {
    case JSON_TYPE:
      return readJsonBody(body, limits);
    case 'application/x-ndjson':
      return readNdjsonBody(body, limits);
    case 'application/msgpack':
      return readMsgpackBody(body, limits);
    case 'application/cloudevents+json':
      return readStructuredEvent(body, limits);
    case 'application/cloudevents-batch+json':
      return readEventBatch(body, limits);
    default:
      throw new SluiceError('MEDIA_TYPE_UNSUPPORTED', `records cannot be read from content type "${type}"`);
  }
}

/** One record's way back: the exchange it answers, without a closure or promise. */
class OneRecord implements RecordOutcome {
  readonly #exchange: Exchange;
  readonly #partition: number;

  constructor(exchange: Exchange, partition: number) {
    this.#exchange = exchange;
    this.#partition = partition;
  }

  appended(offset: number): void {
    this.#exchange.bytes(200, JSON_TYPE, `{"offsets":[{"partition":${this.#partition},"offset":${offset}}]}`);
  }

  failed(error: SluiceError): void {
    this.#exchange.problem(error);
  }
}

function storeOne(
  context: ServerContext,
  exchange: Exchange,
  topic: Topic,
  record: ProducedRecord,
  request: ProduceRequest,
): void {
  const { partitioner } = context;
  const fallback = partitioner.next(topic);
  const partition = partitioner.choose(topic, record.key, record.partition ?? request.partition, fallback);
  const { key, value, headers, timestamp } = record;
  const outcome = new OneRecord(exchange, partition.index);
  context.accumulator.add(partition, key, value, headers, timestamp, request.durability, outcome);
}

async function storeMany(
  context: ServerContext,
  exchange: Exchange,
  topic: Topic,
  records: readonly ProducedRecord[],
  request: ProduceRequest,
): Promise<void> {
  const { offsets, duplicate } = await appendRecords(context, topic, records, request);
  if (duplicate) exchange.empty(204);
  else exchange.bytes(200, JSON_TYPE, offsetsText(offsets));
}

/** Stores what fits the schemas of the topic. @throws SCHEMA_MISMATCH, see `requireSome` */
async function storeSome(
  context: ServerContext,
  exchange: Exchange,
  topic: Topic,
  records: readonly ProducedRecord[],
  rejections: readonly Rejection[],
  request: ProduceRequest,
): Promise<void> {
  const fitting = requireSome(records, rejections, !isPlain(request), context.limits);
  const { offsets } = await appendRecords(context, topic, fitting, request);
  exchange.json(207, { offsets: entriesOf(records.length, offsets, rejections) });
}

function offsetsText(offsets: readonly Placed[]): string {
  let text = '{"offsets":[';
  for (let i = 0; i < offsets.length; i++) {
    const { partition, offset } = offsets[i] as Placed;
    text += `${i === 0 ? '' : ','}{"partition":${partition},"offset":${offset}}`;
  }
  return `${text}]}`;
}

async function storeBatch(exchange: Exchange, topic: Topic, request: ProduceRequest, batch: Uint8Array): Promise<void> {
  const count = batch.length < BATCH_HEADER_BYTES ? 0 : batchCount(batch, 0);
  const { baseOffset, duplicate } = await appendBatch(topic, batch, request);
  exchange.json(200, { partition: request.partition, offset: baseOffset, count, duplicate });
}
