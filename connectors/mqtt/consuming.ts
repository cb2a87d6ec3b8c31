/**
 * Messages of topics in pages, in a session that the broker keeps. The library acknowledges a message as soon as it was looked at:
 * here that is held back until the next page is asked for, and the broker is told how many it may send ahead.
 */
import type { IPublishPacket, MqttClient } from 'mqtt';
import {
  arrival,
  type ChangePage,
  type ChangesRequest,
  Inbox,
  rowOfMessage,
  SluiceError,
  type Stream,
} from '#connector';
import { type BrokerSettings, begin } from './session.ts';

const DAY_S = 86_400;
const AHEAD_MAX = 1_000;

export interface Topic {
  readonly stream: Stream;
  readonly filter: string;
}

interface Acknowledging {
  _sendPacket(packet: { cmd: 'puback'; messageId: number; reasonCode: number }): void;
}

/** @param readers clients that whoever closes the connection ends, so that what they have acknowledged arrives */
export async function* readTopics(
  settings: BrokerSettings,
  topics: readonly Topic[],
  { pageRecordsMax }: ChangesRequest,
  clientId: string,
  readers: Set<MqttClient>,
): AsyncGenerator<ChangePage> {
  const inbox = new Inbox<IPublishPacket>();
  const gone = () => inbox.fail(new SluiceError('ENDPOINT_UNREACHABLE', 'the connection was lost'));
  const client = await begin(settings, {
    clean: false,
    clientId,
    properties: {
      sessionExpiryInterval: settings.session_days * DAY_S,
      receiveMaximum: Math.min(2 * pageRecordsMax, AHEAD_MAX),
    },
    customHandleAcks: (_topic, payload, packet, done) => {
      inbox.push(packet as IPublishPacket, payload.length);
      done(0);
    },
  });
  // An error here only keeps the library from acknowledging by itself.
  client.handleMessage = (_packet, done) => done(new Error('it is acknowledged later'));
  client.once('close', gone);
  client.on('message', (_topic, payload, packet) => {
    if (packet.qos === 0) inbox.push(packet, payload.length);
  });
  readers.add(client);
  try {
    const filters = topics.map(({ filter }) => filter);
    const granted = await client.subscribeAsync(filters, { qos: 1 });
    const denied = granted.find(({ qos }) => (qos as number) >= 128);
    if (denied !== undefined) throw new SluiceError('ENDPOINT_REFUSED', `may not subscribe to ${denied.topic}`);
    for (let first = true; ; first = false) {
      const packets = await inbox.take(pageRecordsMax);
      const changes = packets.flatMap((packet) => changesOf(packet, topics, settings));
      const streams = first ? { streams: topics.map(({ stream }) => stream) } : {};
      yield { changes, state: {}, ...streams };
      for (const packet of packets) acknowledge(client, packet);
    }
  } finally {
    readers.delete(client);
    client.off('close', gone);
    await client.endAsync().catch(() => undefined);
  }
}

export async function forgetSession(settings: BrokerSettings, clientId: string): Promise<void> {
  const client = await begin(settings, { clean: true, clientId, properties: { sessionExpiryInterval: 0 } });
  await client.endAsync();
}

function acknowledge(client: MqttClient, { qos, messageId }: IPublishPacket): void {
  if (qos !== 1 || messageId === undefined || !client.connected) return;
  (client as unknown as Acknowledging)._sendPacket({ cmd: 'puback', messageId, reasonCode: 0 });
}

/** A message may belong to several streams. */
function changesOf(packet: IPublishPacket, topics: readonly Topic[], { format }: BrokerSettings) {
  const { topic, payload, retain, properties } = packet;
  const given = properties?.userProperties;
  const row = rowOfMessage(Buffer.from(payload), format, {
    _topic: topic,
    _retained: retain ? true : null,
    _headers: given === undefined || Object.keys(given).length === 0 ? null : JSON.stringify(given),
  });
  return topics
    .filter(({ filter }) => matches(filter, topic))
    .map(({ stream }) => arrival(stream.name, row, Date.now(), `${topic}/${packet.messageId ?? 0}`));
}

function matches(filter: string, topic: string): boolean {
  const [wanted, given] = [filter.split('/'), topic.split('/')];
  for (const [i, part] of wanted.entries()) {
    if (part === '#') return true;
    if (i >= given.length || (part !== '+' && part !== given[i])) return false;
  }
  return wanted.length === given.length;
}
