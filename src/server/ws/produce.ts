/**
 * The op `produce`: one record goes to the accumulator, several to one append or commit, and a batch to the
 * log as it stands in the frame, neither decoded nor encoded.
 */
import { asSluiceError, SluiceError } from '#kernel';
import type { Durability, Topic } from '#log';
import { readBatchHeader } from '#record';
import type { ServerContext } from '../context.ts';
import { appendRecords } from '../produce/append.ts';
import { partitionAt } from '../produce/partitioner.ts';
import { type ProducedRecord, readJsonRecord, readMsgpackRecord } from '../produce/record-shape.ts';
import type { RecordOutcome } from '../produce/record-sink.ts';
import { entriesOf, rejectionsOf, requireAll, requireSome } from '../produce/screening.ts';
import type { Message } from './codec.ts';
import { invalid, readChoice, readInteger, readOptionalInteger, readText } from './fields.ts';
import type { Session } from './session.ts';

const DURABILITIES: readonly Durability[] = ['fsync', 'memory'];
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The answer to a produce of one record. */
class SingleProduce implements RecordOutcome {
  readonly #session: Session;
  readonly #id: number;
  readonly #partition: number;
  readonly #bytes: number;

  constructor(session: Session, id: number, partition: number, bytes: number) {
    this.#session = session;
    this.#id = id;
    this.#partition = partition;
    this.#bytes = bytes;
  }

  appended(offset: number): void {
    this.#session.produced(this.#id, this.#partition, offset);
    this.#session.returnCredit(this.#bytes);
  }

  failed(error: SluiceError): void {
    this.#session.fail(error, this.#id);
    this.#session.returnCredit(this.#bytes);
  }
}

/** @param bytes what the message took of the connection's credit; given back when it is answered */
export function produce(context: ServerContext, session: Session, message: Message, bytes: number): void {
  const id = readInteger(message, 'id');
  const topicName = readText(message, 'topic');
  session.principal.require('produce', topicName);
  const durability = readChoice(message, 'durability', DURABILITIES, 'fsync');
  const topic = context.log.findTopic(topicName);
  if (topic === undefined) {
    if (!context.settings.autoCreateTopics)
      throw new SluiceError('TOPIC_UNKNOWN', `there is no topic ${topicName}`, { topic: topicName });
    const copy = detached(message);
    settle(
      session,
      id,
      bytes,
      context.createTopic(topicName).then((made) => produceTo(context, session, copy, id, made, durability, bytes)),
    );
    return;
  }
  const work = produceTo(context, session, message, id, topic, durability, bytes);
  if (work !== undefined) settle(session, id, bytes, work);
}

/** Bytes in a message are views into a frame that is gone after this turn. */
function detached(message: Message): Message {
  return structuredClone(message);
}

function settle(session: Session, id: number, bytes: number, work: Promise<unknown>): void {
  work.then(
    (handedOn) => {
      if (handedOn !== HANDED_ON) session.returnCredit(bytes);
    },
    (error: unknown) => {
      session.fail(asSluiceError(error), id);
      session.returnCredit(bytes);
    },
  );
}

/** The single record's outcome gives the credit back itself. */
const HANDED_ON = Symbol('handed on');

function produceTo(
  context: ServerContext,
  session: Session,
  message: Message,
  id: number,
  topic: Topic,
  durability: Durability,
  bytes: number,
): Promise<unknown> | undefined {
  const expectedOffset = readOptionalInteger(message, 'expected_offset');
  if (message['batch'] !== undefined) return produceBatch(session, message, id, topic, durability, expectedOffset);
  const raw = message['records'];
  if (!Array.isArray(raw) || raw.length === 0) throw invalid('records', 'must be a list with a record or more');
  if (raw.length > context.limits.batchRecordsMax) {
    throw new SluiceError('TOO_MANY_RECORDS', `one message may hold ${context.limits.batchRecordsMax} records`);
  }
  const read = session.codec.isBinary ? readMsgpackRecord : readJsonRecord;
  const partition = readOptionalInteger(message, 'partition');
  const isBound = context.bindings.of(topic.name) !== undefined;
  if (raw.length === 1 && expectedOffset === undefined) {
    const record = read(raw[0], 'records[0]', context.limits);
    if (isBound) requireAll(context, topic.name, [record]);
    produceOne(context, session, id, topic, record, partition, durability, bytes);
    return undefined;
  }
  const records = raw.map((one, index) => read(one, `records[${index}]`, context.limits));
  const rejections = rejectionsOf(context, topic.name, records);
  const request = { durability, expectedOffset, partition, producer: undefined };
  const fitting =
    rejections.length === 0 ? records : requireSome(records, rejections, expectedOffset !== undefined, context.limits);
  return appendRecords(context, topic, fitting, request).then(({ offsets }) => {
    const entries = rejections.length === 0 ? offsets : entriesOf(records.length, offsets, rejections);
    session.send({ op: 'produced', id, offsets: entries });
  });
}

function produceOne(
  context: ServerContext,
  session: Session,
  id: number,
  topic: Topic,
  record: ProducedRecord,
  partition: number | undefined,
  durability: Durability,
  bytes: number,
): void {
  const { key, value, headers, timestamp } = record;
  const named = record.partition ?? partition;
  const fallback = key === null && named === undefined ? context.partitioner.next(topic) : 0;
  const target = context.partitioner.choose(topic, key, named, fallback);
  context.accumulator.add(
    target,
    key,
    value,
    headers,
    timestamp,
    durability,
    new SingleProduce(session, id, target.index, bytes),
  );
}

function produceBatch(
  session: Session,
  message: Message,
  id: number,
  topic: Topic,
  durability: Durability,
  expectedOffset: number | undefined,
): Promise<void> {
  const partition = readInteger(message, 'partition');
  const batch = batchBytes(message['batch']);
  const { count } = readBatchHeader(batch);
  const options = expectedOffset === undefined ? { durability } : { durability, expectedOffset };
  return partitionAt(topic, partition)
    .append(batch, options)
    .then(({ baseOffset, duplicate }) => {
      const answer = { op: 'produced', id, partition, offset: baseOffset, count };
      session.send(duplicate ? { ...answer, duplicate } : answer);
    });
}

function batchBytes(given: unknown): Uint8Array {
  if (given instanceof Uint8Array) return given;
  if (typeof given === 'string' && BASE64.test(given)) return Buffer.from(given, 'base64');
  throw invalid('batch', 'must be bytes, or base64 in JSON');
}
