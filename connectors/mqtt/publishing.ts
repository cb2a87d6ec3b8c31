/** Messages to topics, each answered when the broker has it. */
import type { IClientPublishOptions, MqttClient } from 'mqtt';
import {
  bodyOfRow,
  headersOfRow,
  type MessageFormat,
  type Row,
  rejectedRecord,
  SluiceError,
  type Stream,
  textOfRow,
  type WriteResult,
} from '#connector';

const TOPIC_BYTES_MAX = 65_535;
/** Not authorized, topic name invalid, packet too large, payload format invalid, quota exceeded. */
const REJECTIONS: Readonly<Record<number, boolean>> = { 135: false, 144: false, 149: false, 151: true, 153: false };

export async function publish(
  client: MqttClient,
  stream: Stream,
  filter: string,
  format: MessageFormat,
  records: readonly Row[],
): Promise<WriteResult[]> {
  return Promise.all(records.map((record) => publishOne(client, stream, filter, format, record)));
}

async function publishOne(
  client: MqttClient,
  stream: Stream,
  filter: string,
  format: MessageFormat,
  record: Row,
): Promise<WriteResult> {
  try {
    const topic = topicOf(record, filter);
    const body = Buffer.from(bodyOfRow(record, format, stream));
    const userProperties = headersOfRow(record);
    // The library sends no packet whose properties are an empty list.
    const properties = Object.keys(userProperties).length === 0 ? {} : { userProperties };
    await acknowledged(client, topic, body, { qos: 1, retain: record['_retained'] === true, properties });
    return { ok: true };
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'RECORD_REJECTED') return rejectedRecord(error.message);
    const { code, message } = error as { code?: number; message: string };
    const retryable = code === undefined ? undefined : REJECTIONS[code];
    if (retryable !== undefined) return rejectedRecord(message, retryable);
    throw error;
  }
}

/** The library would wait for a connection that does not come again. */
function acknowledged(client: MqttClient, topic: string, body: Buffer, options: IClientPublishOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('the connection was lost before the broker acknowledged'));
    if (!client.connected) gone();
    client.once('close', gone);
    client.publish(topic, body, options, (error) => {
      client.off('close', gone);
      if (error) reject(error);
      else resolve();
    });
  });
}

function topicOf(record: Row, filter: string): string {
  const topic = textOfRow(record, '_topic') ?? filter;
  if (topic === '' || /[+#\0]/.test(topic) || Buffer.byteLength(topic) > TOPIC_BYTES_MAX) {
    throw new SluiceError(
      'RECORD_REJECTED',
      `${JSON.stringify(topic.slice(0, 100))} is no topic to publish to: name one in _topic`,
    );
  }
  return topic;
}
