/**
 * A subscription of mode `queue`: a member of a queue, whose records it sends, and what the client says about each of
 * them. Records come from all partitions of the topic, each with its place and the number of its attempt.
 */
import { SluiceError } from '#kernel';
import type { HandedRecord, NackOptions, Partition, QueueListener, QueueMember, QueueOptions } from '#log';
import type { ServerContext } from '../context.ts';
import type { Message } from './codec.ts';
import { invalid, readInteger, readIntegers, readOptionalInteger, readOptionalText } from './fields.ts';
import type { Session } from './session.ts';

export interface QueueSubscriptionOptions extends Partial<QueueOptions> {
  readonly id: number;
  readonly topic: string;
  readonly group: string;
  readonly permits: number;
  startOf(partition: Partition): number;
}

/** Of one message. */
const OFFSETS_MAX = 10_000;

export class QueueSubscription implements QueueListener {
  readonly id: number;
  readonly #session: Session;
  readonly #member: QueueMember;
  readonly #permitsMax: number;

  /** Answers `subscribed`. @throws as `GroupCoordinator.joinQueue` */
  constructor(context: ServerContext, session: Session, options: QueueSubscriptionOptions) {
    const { id, group, permits, ...rest } = options;
    const { client } = session.principal;
    this.id = id;
    this.#session = session;
    this.#permitsMax = context.limits.permitsMax;
    this.#member = context.groups.joinQueue(group, {
      ...rest,
      permits: Math.min(permits, this.#permitsMax),
      listener: this,
      ...(client === undefined ? {} : { client }),
    });
    session.send({ op: 'subscribed', sub: id, partitions: [] });
  }

  get writable(): boolean {
    return this.#session.writable;
  }

  records(handed: readonly HandedRecord[]): void {
    this.#session.handOut(this.id, handed);
  }

  failed(error: SluiceError): void {
    this.#session.fail(error, undefined, this.id);
  }

  permit(records: number): void {
    this.#member.permit(Math.min(records, this.#permitsMax - this.#member.permits));
  }

  drained(): void {
    this.#member.wake();
  }

  /** What it has is given back by `leave`. */
  close(): void {
    this.#member.permit(-this.#member.permits);
  }

  ack(message: Message): void {
    this.#each(message, (partition, offset) => this.#member.ack(partition, offset));
  }

  nack(message: Message): void {
    const options = nackOptions(message);
    this.#each(message, (partition, offset) => this.#member.nack(partition, offset, options));
  }

  extend(message: Message): void {
    this.#each(message, (partition, offset) => this.#member.extend(partition, offset));
  }

  /** One offset or several. Those that are refused keep nothing from the others. @throws the first refusal */
  #each(message: Message, act: (partition: number, offset: number) => void): void {
    const partition = readInteger(message, 'partition');
    const offsets = readIntegers(message, 'offsets');
    if (offsets === undefined) {
      act(partition, readInteger(message, 'offset'));
      return;
    }
    if (offsets.length > OFFSETS_MAX) throw invalid('offsets', `are at most ${OFFSETS_MAX} in one message`);
    let refusal: unknown;
    let refused = 0;
    for (const offset of offsets) {
      try {
        act(partition, offset);
      } catch (error) {
        refusal ??= error;
        refused++;
      }
    }
    if (!(refusal instanceof SluiceError)) {
      if (refusal !== undefined) throw refusal;
      return;
    }
    throw new SluiceError(refusal.code, refusal.message, { ...refusal.details, refused }, refusal);
  }

  /** Resolves when all that was said is durable. */
  flush(): Promise<void> {
    return this.#member.written();
  }

  /** @param lost the connection broke, so that what the client had may be what broke it */
  leave(lost = false): Promise<void> {
    return this.#member.leave(lost);
  }
}

function nackOptions(message: Message): NackOptions {
  const delayMs = readOptionalInteger(message, 'delay_ms');
  const reason = readOptionalText(message, 'reason');
  const stack = readOptionalText(message, 'stack');
  const dead = message['dead'] ?? false;
  if (typeof dead !== 'boolean') throw invalid('dead', 'must be true or false');
  return {
    dead,
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(reason === undefined ? {} : { reason }),
    ...(stack === undefined ? {} : { stack }),
  };
}
