/** A member of a consumer group, as the one who subscribed holds it, and what it is told. */

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface AssignedPartition extends TopicPartition {
  /** The committed offset; undefined when there is none yet. */
  readonly offset: number | undefined;
}

/** Both are called in a later turn than the change that caused them, and must not throw. */
export interface MemberListener {
  assigned(partitions: readonly AssignedPartition[]): void;
  /** Acknowledge what was processed, then call `Member.released` for each. */
  revoked(partitions: readonly TopicPartition[]): void;
}

export interface MemberOptions {
  readonly topics: readonly string[];
  /** Who this is, for people. */
  readonly client?: string;
  readonly listener: MemberListener;
}

/** What a member can do in its group. */
export interface MemberActs {
  assignment(): TopicPartition[];
  ack(topic: string, partition: number, nextOffset: number): void;
  flush(): Promise<void>;
  released(topic: string, partition: number): void;
  leave(): Promise<void>;
}

export class Member {
  readonly id: string;
  readonly #acts: MemberActs;

  constructor(id: string, acts: MemberActs) {
    this.id = id;
    this.#acts = acts;
  }

  /** What it owns and need not give up. */
  get assignment(): readonly TopicPartition[] {
    return this.#acts.assignment();
  }

  /**
   * Everything below `nextOffset` is done. Written soon; `flush` waits for it. Never moves a committed offset back.
   * @throws MEMBER_FENCED, OFFSET_OUT_OF_RANGE (details: `durable`)
   */
  ack(topic: string, partition: number, nextOffset: number): void {
    this.#acts.ack(topic, partition, nextOffset);
  }

  /** Resolves when all acknowledgements so far are durable. @throws what the log could not write them for */
  flush(): Promise<void> {
    return this.#acts.flush();
  }

  /** After `revoked`: no acknowledgement of this partition will follow. */
  released(topic: string, partition: number): void {
    this.#acts.released(topic, partition);
  }

  /** Gives up everything at once; resolves when its acknowledgements are durable. @throws as `flush` */
  leave(): Promise<void> {
    return this.#acts.leave();
  }
}
