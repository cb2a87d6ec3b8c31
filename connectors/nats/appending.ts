/** Messages to a stream, each answered when JetStream has stored it. One with an id in `_id` is stored once within the stream's window. */
import { JetStreamApiError, type JetStreamClient, jetstream, type StreamInfo } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import {
  bodyOfRow,
  headersOfRow,
  type MessageFormat,
  type Row,
  rejectedRecord,
  SluiceError,
  textOfRow,
  type WriteResult,
} from '#connector';
import { type Session, streamOf } from './session.ts';

/** Answers that are waited for at once. */
const IN_FLIGHT_MAX = 256;

export async function append(
  session: Session,
  info: StreamInfo,
  format: MessageFormat,
  records: readonly Row[],
): Promise<WriteResult[]> {
  const client = jetstream((await session.open()).connection);
  const results: WriteResult[] = [];
  for (let at = 0; at < records.length; at += IN_FLIGHT_MAX) {
    const part = records.slice(at, at + IN_FLIGHT_MAX);
    results.push(...(await Promise.all(part.map((record) => appendOne(client, info, format, record)))));
  }
  return results;
}

async function appendOne(
  client: JetStreamClient,
  info: StreamInfo,
  format: MessageFormat,
  record: Row,
): Promise<WriteResult> {
  const { name, subjects = [], max_msg_size = -1 } = info.config;
  try {
    const subject = textOfRow(record, '_subject') ?? onlySubject(subjects);
    if (!subjects.some((pattern) => takes(pattern, subject))) return rejectedRecord(`${name} does not take ${subject}`);
    const body = bodyOfRow(record, format, streamOf(info, format));
    if (max_msg_size > 0 && body.length > max_msg_size) {
      return rejectedRecord(`a message has at most ${max_msg_size} bytes there`);
    }
    const given = headers();
    for (const [key, value] of Object.entries(headersOfRow(record))) given.set(key, value);
    const msgID = textOfRow(record, '_id');
    const expect = { streamName: name };
    await client.publish(subject, body, { headers: given, expect, ...(msgID === undefined ? {} : { msgID }) });
    return { ok: true };
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'RECORD_REJECTED') return rejectedRecord(error.message);
    if (error instanceof JetStreamApiError) return rejectedRecord(error.message, error.status >= 500);
    if (/max.?payload/i.test((error as Error).message)) return rejectedRecord((error as Error).message);
    throw error;
  }
}

function onlySubject(subjects: readonly string[]): string {
  const [only] = subjects;
  if (subjects.length === 1 && only !== undefined && !/[*>]/.test(only)) return only;
  throw new SluiceError('RECORD_REJECTED', '_subject must be named: the stream takes several');
}

function takes(pattern: string, subject: string): boolean {
  if (!/^[^\s*>.]+(?:\.[^\s*>.]+)*$/.test(subject)) return false;
  const [wanted, given] = [pattern.split('.'), subject.split('.')];
  for (const [i, part] of wanted.entries()) {
    if (part === '>') return given.length > i;
    if (i >= given.length || (part !== '*' && part !== given[i])) return false;
  }
  return wanted.length === given.length;
}
