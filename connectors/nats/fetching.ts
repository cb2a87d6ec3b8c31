/** Messages of one consumer of a stream, fetched while there is room for them, into the box that pages are taken from. */
import { type ConsumerConfig, type JsMsg, jetstream, type StreamInfo } from '@nats-io/jetstream';
import { type Inbox, type MessageFormat, type Row, rowOfMessage, SluiceError } from '#connector';
import type { Open } from './session.ts';

const EXPIRES_MS = 5_000;

export interface Fetched {
  readonly stream: string;
  readonly message: JsMsg;
}

/** Until the box has failed, or the consumer has. */
export async function fetchInto(
  { connection }: Open,
  inbox: Inbox<Fetched>,
  stream: string,
  consumer: string,
  ahead: number,
): Promise<void> {
  const numbered = await jetstream(connection).consumers.get(stream, consumer);
  let expected: number | undefined;
  while (!inbox.failed) {
    await inbox.room(ahead);
    if (inbox.failed) return;
    const messages = await numbered.fetch({ max_messages: ahead, expires: EXPIRES_MS });
    for await (const message of messages) {
      const { deliverySequence } = message.info;
      if (expected !== undefined && deliverySequence > expected) {
        throw new SluiceError('ENDPOINT_UNREACHABLE', `messages of ${stream} were lost on their way`);
      }
      expected = deliverySequence + 1;
      inbox.push({ stream, message }, message.data.length);
    }
  }
}

export function rowOf({ data, subject, headers, seq }: JsMsg, format: MessageFormat): Row {
  const given: Record<string, string> = {};
  for (const [name, values] of headers ?? []) if (!name.startsWith('Nats-')) given[name] = values.join(', ');
  return rowOfMessage(data, format, {
    _seq: BigInt(seq),
    _subject: subject,
    _id: headers?.get('Nats-Msg-Id') || null,
    _headers: Object.keys(given).length === 0 ? null : JSON.stringify(given),
  });
}

/** Where a reader of a stream begins that has seen up to `seq`. */
export function startBehind(seq: number): Pick<ConsumerConfig, 'deliver_policy' | 'opt_start_seq'> {
  return { deliver_policy: 'by_start_sequence', opt_start_seq: seq + 1 };
}

/** @throws REQUEST_INVALID: it comes from outside */
export function sequenceIn(place: unknown): number | undefined {
  if (place === undefined || place === null) return undefined;
  if (Number.isSafeInteger(place) && (place as number) >= 0) return place as number;
  throw new SluiceError('REQUEST_INVALID', 'this is no state of such a read', { field: 'state' });
}

/** What was trimmed behind the reader is gone: it must know. */
export function requireKept({ config, state }: StreamInfo, seq: number | undefined): void {
  if (seq === undefined || seq + 1 >= state.first_seq || seq >= state.last_seq) return;
  const message = `${config.name} begins with message ${state.first_seq} now: read it anew`;
  throw new SluiceError('ENDPOINT_FAILED', message);
}
