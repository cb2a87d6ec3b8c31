/**
 * Streams as they grow. The state has the number of the last message of each; of a work queue it is only there to tell what comes
 * a second time, since the queue itself keeps what is not acknowledged.
 */
import { createHash } from 'node:crypto';
import { AckPolicy, type ConsumerConfig, DeliverPolicy, RetentionPolicy, type StreamInfo } from '@nats-io/jetstream';
import { arrival, type ChangePage, type ChangesRequest, Inbox, type MessageFormat, SluiceError } from '#connector';
import { type Fetched, fetchInto, requireKept, rowOf, sequenceIn, startBehind } from './fetching.ts';
import { isQueue, type Open, type Session, streamOf } from './session.ts';

const INACTIVE_NS = 60 * 1_000_000_000;
/** Of what a reader that crashed held in a stream by interest, whose consumer must not be made anew. */
const ACK_WAIT_NS = 30 * 1_000_000_000;

export async function* readChanges(
  session: Session,
  format: MessageFormat,
  request: ChangesRequest,
): AsyncGenerator<ChangePage> {
  const { pageRecordsMax, consumer } = request;
  const open = await session.open();
  const inbox = new Inbox<Fetched>();
  void open.connection.closed().then(() => {
    inbox.fail(new SluiceError('ENDPOINT_UNREACHABLE', 'the connection was lost'));
  });
  const infos = await Promise.all(request.streams.map((name) => session.info(name)));
  const places = placesIn(request, infos);
  const temporary: { stream: string; name: string }[] = [];
  try {
    for (const info of infos) {
      const { name: stream } = info.config;
      const queue = isQueue(info);
      const name = queue
        ? await durable(open, info, consumer, pageRecordsMax)
        : await ephemeral(open, info, places[stream] as number);
      if (!queue) temporary.push({ stream, name });
      fetchInto(open, inbox, stream, name, pageRecordsMax).catch((error) => inbox.fail(error));
    }
    const queues = new Set(infos.filter(isQueue).map(({ config }) => config.name));
    for (let first = true; ; first = false) {
      const taken = await inbox.take(pageRecordsMax);
      const fresh = taken.filter(({ stream, message }) => message.seq > (places[stream] ?? 0));
      for (const { stream, message } of fresh) places[stream] = Math.max(message.seq, places[stream] ?? 0);
      const changes = (queues.size > 0 ? taken : fresh).map(({ stream, message }) =>
        arrival(stream, rowOf(message, format), message.time.getTime(), `${stream}/${message.seq}`),
      );
      const streams = first ? { streams: infos.map((info) => streamOf(info, format)) } : {};
      yield { changes, state: { seqs: { ...places } }, ...streams };
      for (const { stream, message } of taken) if (queues.has(stream)) message.ack();
    }
  } finally {
    inbox.fail(new SluiceError('ENDPOINT_FAILED', 'the read was left'));
    for (const { stream, name } of temporary) await open.manager.consumers.delete(stream, name).catch(() => undefined);
  }
}

/** The last number that is not wanted any more, of each stream. */
function placesIn({ state, snapshot }: ChangesRequest, infos: readonly StreamInfo[]): Record<string, number> {
  const { seqs = {} } = (state ?? {}) as { seqs?: Record<string, unknown> };
  return Object.fromEntries(
    infos.map((info) => {
      const { name } = info.config;
      const seq = sequenceIn(Object.hasOwn(seqs, name) ? seqs[name] : undefined);
      if (isQueue(info)) return [name, seq ?? 0];
      requireKept(info, seq);
      return [name, seq ?? (snapshot ? 0 : info.state.last_seq)];
    }),
  );
}

async function ephemeral({ manager }: Open, { config }: StreamInfo, seq: number): Promise<string> {
  const begin: Partial<ConsumerConfig> = { ack_policy: AckPolicy.None, ...startBehind(seq) };
  const { name } = await manager.consumers.add(config.name, {
    ...begin,
    inactive_threshold: INACTIVE_NS,
    mem_storage: true,
  });
  return name;
}

async function durable({ manager }: Open, { config }: StreamInfo, consumer: string, ahead: number): Promise<string> {
  const { name: stream, retention } = config;
  const name = nameOf(consumer);
  // Made anew, it brings at once what the one before was given and did not acknowledge.
  if (retention === RetentionPolicy.Workqueue) await manager.consumers.delete(stream, name).catch(unlessMissing);
  await manager.consumers.add(stream, {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: ACK_WAIT_NS,
    max_ack_pending: Math.max(2 * ahead, ahead + 1),
  });
  return name;
}

export async function forgetConsumers(session: Session, consumer: string): Promise<void> {
  const { manager } = await session.open();
  for await (const info of manager.streams.list()) {
    if (isQueue(info)) await manager.consumers.delete(info.config.name, nameOf(consumer)).catch(unlessMissing);
  }
}

/** Names of consumers have no dots and spaces. */
function nameOf(consumer: string): string {
  const own = createHash('sha256').update(consumer).digest('hex').slice(0, 12);
  return `sluice-${consumer.replace(/[^A-Za-z0-9-]/g, '-').slice(0, 80)}-${own}`;
}

function unlessMissing(error: unknown): boolean {
  if (/not found/i.test((error as Error).message)) return false;
  throw error;
}
