/** Messages to a queue or an exchange, persistent, each answered when the broker has it; what no queue takes is rejected. */
import { randomUUID } from 'node:crypto';
import type { ConfirmChannel, Message, Options } from 'amqplib';
import {
  bodyOfRow,
  headersOfRow,
  type MessageFormat,
  type Row,
  rejectedRecord,
  type SluiceError,
  type Stream,
  textOfRow,
  type WriteResult,
} from '#connector';
import type { Session } from './session.ts';

const KEY_BYTES_MAX = 255;
const CONTENT_TYPES = { json: 'application/json', text: 'text/plain', bytes: 'application/octet-stream' } as const;

/** @param exchange empty: `stream` is a queue */
export async function publish(
  session: Session,
  stream: Stream,
  exchange: string,
  format: MessageFormat,
  records: readonly Row[],
): Promise<WriteResult[]> {
  const channel = await session.writer();
  // A queue that is not there must not look like one that nobody reads.
  if (exchange === '') await channel.checkQueue(stream.name);
  else await channel.checkExchange(exchange);
  const returned = new Set<string>();
  const onReturn = ({ properties }: Message) => returned.add(String(properties.correlationId));
  channel.on('return', onReturn);
  try {
    return await Promise.all(records.map((record) => publishOne(channel, stream, exchange, format, record, returned)));
  } finally {
    channel.off('return', onReturn);
  }
}

async function publishOne(
  channel: ConfirmChannel,
  stream: Stream,
  exchange: string,
  format: MessageFormat,
  record: Row,
  returned: ReadonlySet<string>,
): Promise<WriteResult> {
  let key: string;
  let body: Buffer;
  let options: Options.Publish;
  const correlationId = randomUUID();
  try {
    key = exchange === '' ? stream.name : (textOfRow(record, '_key') ?? '');
    if (Buffer.byteLength(key) > KEY_BYTES_MAX) return rejectedRecord(`_key is longer than ${KEY_BYTES_MAX} bytes`);
    body = Buffer.from(bodyOfRow(record, format, stream));
    const messageId = textOfRow(record, '_id');
    if (messageId !== undefined && Buffer.byteLength(messageId) > KEY_BYTES_MAX) {
      return rejectedRecord(`_id is longer than ${KEY_BYTES_MAX} bytes`);
    }
    options = {
      ...{ persistent: true, mandatory: true, correlationId, headers: headersOfRow(record) },
      ...{ contentType: CONTENT_TYPES[format], timestamp: Math.floor(Date.now() / 1_000) },
      ...(messageId === undefined ? {} : { messageId }),
    };
  } catch (error) {
    return rejectedRecord((error as SluiceError).message);
  }
  const nacked = await new Promise<Error | null>((resolve, reject) => {
    const gone = () => reject(new Error('the channel was closed before the broker confirmed'));
    channel.once('close', gone);
    channel.publish(exchange, key, body, options, (error: Error | null) => {
      channel.off('close', gone);
      resolve(error);
    });
  });
  if (nacked !== null) return rejectedRecord(`the broker did not take it: ${nacked.message}`, true);
  return returned.has(correlationId) ? rejectedRecord(`no queue takes key ${key}`) : { ok: true };
}
