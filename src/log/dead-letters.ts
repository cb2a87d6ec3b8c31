/**
 * Dead letters: records that a queue or a processor has given up on, kept in `sys.dead.<topic>` with what is needed to
 * understand them and to send them again. A dead letter is the record as it was (key, value, headers, timestamp), and
 * behind its own headers a block of facts, first among them `sluice-dead-topic`.
 *
 * Who calls: queues (`queue/`) and processors write them, in the same commit as what makes the record done;
 * `dead-letter-box.ts` reads them. A topic of dead letters has one partition and keeps for ever.
 */
import { createHash } from 'node:crypto';
import { decodeUtf8, encodeUtf8, type Limits, SluiceError } from '#kernel';
import { encodeBatch, type Header, type LogRecord, type RecordInput } from '#record';
import type { Log, Partition } from './contract.ts';

export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly Header[];
  /** Of the record, not of its death. */
  readonly timestamp: number;
  /** `group:NAME` or `processor:NAME`. */
  readonly source: string;
  readonly attempts: number;
  readonly code: string;
  readonly message: string;
  readonly stack?: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

const PREFIX = 'sys.dead.';
const NAME_CHARS_MAX = 249;
const HASH_CHARS = 16;
const CODE_BYTES_MAX = 128;
const MESSAGE_BYTES_MAX = 2_048;
const STACK_BYTES_MAX = 8_192;
const FACT = 'sluice-dead-';
const FIRST_FACT = `${FACT}topic`;
/** Stands where a record was too large to be kept beside the facts. */
const OMITTED = `${FACT}omitted`;

/** `sys.dead.<topic>`; the end of a name that would be too long is replaced by its hash. */
export function deadTopicName(topic: string): string {
  if (PREFIX.length + topic.length <= NAME_CHARS_MAX) return PREFIX + topic;
  const hash = createHash('sha256').update(topic).digest('hex').slice(0, HASH_CHARS);
  return `${PREFIX}${topic.slice(0, NAME_CHARS_MAX - PREFIX.length - HASH_CHARS - 1)}-${hash}`;
}

/** The topic whose dead letters these are; undefined for any other topic. */
export function topicOfDead(name: string): string | undefined {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : undefined;
}

/** The record to append to the topic of dead letters. Message and stack are cut to a bounded length. */
export function deadLetterRecord(dead: DeadLetter): RecordInput {
  const facts: [name: string, text: string][] = [
    ['topic', dead.topic],
    ['partition', String(dead.partition)],
    ['offset', String(dead.offset)],
    ['source', dead.source],
    ['attempts', String(dead.attempts)],
    ['code', cut(dead.code, CODE_BYTES_MAX)],
    ['message', cut(dead.message, MESSAGE_BYTES_MAX)],
    ['at', String(dead.at)],
  ];
  if (dead.stack !== undefined) facts.push(['stack', cut(dead.stack, STACK_BYTES_MAX)]);
  const { key, value, headers, timestamp } = dead;
  const block = facts.map(([name, text]) => ({ key: FACT + name, value: encodeUtf8(text) }));
  return { key, value, headers: [...headers, ...block], timestamp };
}

/**
 * One dead letter as a batch that fits: where the facts would push it over the limit it is compressed, then its stack
 * goes, and its value, at last its key and headers (see `valueOmitted`): its place in the topic still names them.
 */
export function deadLetterBatch(dead: DeadLetter, { batchBytesMax }: Limits): Uint8Array {
  const record = deadLetterRecord(dead);
  const plain = encodeBatch([record]);
  if (plain.length <= batchBytesMax) return plain;
  const packed = encodeBatch([record], { compression: 'gzip' });
  if (packed.length <= batchBytesMax) return packed;
  const { stack: _, ...short } = dead;
  const withoutValue = omitting({ ...short, value: null });
  return withoutValue.length <= batchBytesMax
    ? withoutValue
    : omitting({ ...short, key: null, value: null, headers: [] });
}

function omitting(dead: DeadLetter): Uint8Array {
  const { headers = [], ...record } = deadLetterRecord(dead);
  return encodeBatch([{ ...record, headers: [...headers, { key: OMITTED, value: null }] }], { compression: 'gzip' });
}

/** What `deadLetterRecord` made; undefined for a record that is none. */
export function readDeadLetter(record: LogRecord): DeadLetter | undefined {
  const { key, value, headers, timestamp } = record;
  const first = headers.findLastIndex((header) => header.key === FIRST_FACT);
  if (first === -1) return undefined;
  const facts = new Map(headers.slice(first).map((header) => [header.key.slice(FACT.length), textOf(header)]));
  const numbers = ['partition', 'offset', 'attempts', 'at'].map((name) => Number(facts.get(name) ?? Number.NaN));
  if (!numbers.every((number) => Number.isSafeInteger(number) && number >= 0)) return undefined;
  const [partition, offset, attempts, at] = numbers as [number, number, number, number];
  const stack = facts.get('stack');
  return {
    topic: facts.get('topic') ?? '',
    partition,
    offset,
    key,
    value,
    headers: headers.slice(0, first),
    timestamp,
    source: facts.get('source') ?? '',
    attempts,
    code: facts.get('code') ?? '',
    message: facts.get('message') ?? '',
    ...(stack === undefined ? {} : { stack }),
    at,
  };
}

/** True when the record did not fit and has to be read at its place in the topic. */
export function valueOmitted({ headers }: LogRecord): boolean {
  return headers.at(-1)?.key === OMITTED;
}

/** The one partition of a topic's dead letters, which is created when it is missing. @throws as `Log.createTopic` */
export async function ensureDeadTopic(log: Log, topic: string): Promise<Partition> {
  const name = deadTopicName(topic);
  if (log.findTopic(name) === undefined) {
    try {
      await log.createTopic(name);
    } catch (error) {
      // Two may find it missing at the same time.
      if (!(error instanceof SluiceError && error.code === 'TOPIC_EXISTS')) throw error;
    }
  }
  return log.partition(name, 0);
}

function textOf({ value }: Header): string {
  return value === null ? '' : decodeUtf8(value, 'a fact of a dead letter');
}

/** The text, or as much of its beginning as fits, without half a character at the end. */
function cut(text: string, bytesMax: number): string {
  const bytes = encodeUtf8(text);
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax - '…'.length * 3;
  while (((bytes[end] as number) & 0xc0) === 0x80) end--;
  return `${decodeUtf8(bytes.subarray(0, end))}…`;
}
