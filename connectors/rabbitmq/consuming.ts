/** Messages of queues in pages, over a channel of their own; a page is acknowledged when the next is asked for. */
import type { ConsumeMessage } from 'amqplib';
import {
  arrival,
  type ChangePage,
  Inbox,
  type MessageFormat,
  rowOfMessage,
  SluiceError,
  type Stream,
} from '#connector';
import type { Session } from './session.ts';

/** Messages that the broker may send ahead of what is acknowledged. */
const AHEAD_MAX = 1_000;

interface Arrived {
  readonly queue: string;
  readonly message: ConsumeMessage;
}

export async function* readQueues(
  session: Session,
  streams: readonly Stream[],
  format: MessageFormat,
  pageRecordsMax: number,
): AsyncGenerator<ChangePage> {
  const channel = await session.reader();
  const inbox = new Inbox<Arrived>();
  channel.on('error', (error) => inbox.fail(error));
  channel.on('close', () => inbox.fail(new SluiceError('ENDPOINT_UNREACHABLE', 'the channel was closed')));
  try {
    await channel.prefetch(Math.min(2 * pageRecordsMax, AHEAD_MAX), true);
    for (const { name: queue } of streams) {
      await channel.consume(queue, (message) => {
        if (message !== null) inbox.push({ queue, message }, message.content.length);
        else inbox.fail(new SluiceError('ENDPOINT_STREAM_UNKNOWN', `queue ${queue} was deleted`, { name: queue }));
      });
    }
    for (let first = true; ; first = false) {
      const arrived = await inbox.take(pageRecordsMax);
      const changes = arrived.map(({ queue, message }) => changeOf(queue, message, format));
      yield { changes, state: {}, ...(first ? { streams } : {}) };
      const last = arrived.at(-1);
      if (last !== undefined) channel.ack(last.message, true);
    }
  } finally {
    await channel.close().catch(() => undefined);
  }
}

function changeOf(queue: string, { content, fields, properties }: ConsumeMessage, format: MessageFormat) {
  const { messageId, headers = {}, timestamp } = properties;
  const row = rowOfMessage(content, format, {
    _id: (messageId as string | undefined) ?? null,
    // That of the default exchange is the name of the queue.
    _key: fields.exchange === '' ? null : fields.routingKey,
    _headers: Object.keys(headers).length === 0 ? null : JSON.stringify(headers, shown),
  });
  const atMs = typeof timestamp === 'number' ? timestamp * 1_000 : Date.now();
  return arrival(queue, row, atMs, `${queue}/${messageId ?? fields.deliveryTag}`);
}

function shown(_name: string, value: unknown): unknown {
  const { type, data } = (value ?? {}) as { type?: unknown; data?: unknown };
  return type === 'Buffer' && Array.isArray(data) ? Buffer.from(data as number[]).toString('base64') : value;
}
