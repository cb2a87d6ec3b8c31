/** A stream from a message on up to the last one that was there when reading began. Both modes are the same. */
import { AckPolicy } from '@nats-io/jetstream';
import { Inbox, type MessageFormat, type Page, type ReadRequest, SluiceError } from '#connector';
import { type Fetched, fetchInto, requireKept, rowOf, sequenceIn, startBehind } from './fetching.ts';
import { isQueue, type Session } from './session.ts';

const INACTIVE_NS = 60 * 1_000_000_000;

export async function* readStream(
  session: Session,
  format: MessageFormat,
  { stream, state, pageRecordsMax }: ReadRequest,
): AsyncGenerator<Page> {
  const info = await session.info(stream);
  if (isQueue(info)) throw new SluiceError('ENDPOINT_UNSUPPORTED', `${stream} is a queue: it can only be followed`);
  const from = sequenceIn((state as { seq?: unknown } | null | undefined)?.seq);
  requireKept(info, from);
  const { last_seq: end } = info.state;
  if ((from ?? 0) >= end || info.state.messages === 0) return;
  const open = await session.open();
  const { name } = await open.manager.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    ...startBehind(from ?? 0),
    inactive_threshold: INACTIVE_NS,
    mem_storage: true,
  });
  const inbox = new Inbox<Fetched>();
  const gone = open.connection.closed().then(() => {
    inbox.fail(new SluiceError('ENDPOINT_UNREACHABLE', 'the connection was lost'));
  });
  const pump = fetchInto(open, inbox, stream, name, pageRecordsMax).catch((error) => inbox.fail(error));
  try {
    for (;;) {
      const taken = await inbox.take(pageRecordsMax);
      const wanted = taken.filter(({ message }) => message.seq <= end);
      const last = wanted.at(-1);
      if (last !== undefined) {
        yield { records: wanted.map(({ message }) => rowOf(message, format)), state: { seq: last.message.seq } };
      }
      const newest = taken.at(-1)?.message;
      // The last ones may have been deleted.
      if (newest === undefined ? (await session.info(stream)).state.messages === 0 : ended(newest, end)) return;
    }
  } finally {
    inbox.fail(new SluiceError('ENDPOINT_FAILED', 'the read was left'));
    await open.manager.consumers.delete(stream, name).catch(() => undefined);
    void Promise.all([gone, pump]);
  }
}

function ended({ seq, info }: Fetched['message'], end: number): boolean {
  return seq >= end || info.pending === 0;
}
