/**
 * The boxes of dead letters, one a topic: what is in them, sending a letter's record again, and letting it go. A letter
 * stays where it is in its topic, `sys.dead.<topic>`; that it is done is kept as in a queue (`queue/done-pages.ts`),
 * in the same commit as the record that is sent again. What is done from the beginning on is trimmed away.
 * Called by the server's routes. Changes run one after the other, so that no letter is sent twice.
 */
import { encodeUtf8, type Limits, SluiceError } from '#kernel';
import { encodeBatch, type LogRecord, partitionForKey, type RecordInput } from '#record';
import type { Appended, Log, Partition, StateChange } from './contract.ts';
import { type DeadLetter, deadTopicName, readDeadLetter, topicOfDead, valueOmitted } from './dead-letters.ts';
import type { DonePages } from './queue/done-pages.ts';
import { pageState, storedPages } from './queue/queue-state.ts';
import { RecordBlocks, readBatches } from './queue/record-blocks.ts';

/** A dead letter in its box. */
export interface BoxedLetter extends DeadLetter {
  /** Its own offset, in the topic of dead letters. */
  readonly id: number;
  /** The record did not fit beside the facts: it has to be read at its place in the topic. */
  readonly omitted: boolean;
}

export interface BoxDescription {
  readonly topic: string;
  readonly letters: number;
}

export interface Resent {
  readonly id: number;
  readonly partition: number;
  readonly offset: number;
}

export interface Selection {
  /** Only letters from this source on. */
  readonly source?: string | undefined;
}

const SPACE = 'dead-letters';
const BASES = 'dead-letter-bases';
const READ_BYTES = 1024 * 1024;
/** Letters of one commit. */
const COMMIT_LETTERS = 64;
/** Letters looked at before others get their turn. */
const PAGE_LETTERS = 500;

export class DeadLetterBox {
  readonly #log: Log;
  readonly #limits: Limits;
  readonly #now: () => number;
  readonly #pages = new WeakMap<Partition, DonePages>();
  #changing: Promise<unknown> = Promise.resolve();

  constructor(log: Log, { limits, clock }: { limits: Limits; clock: { now(): number } }) {
    this.#log = log;
    this.#limits = limits;
    this.#now = () => clock.now();
  }

  /** Boxes with letters in them, by topic. */
  list(): BoxDescription[] {
    const boxes: BoxDescription[] = [];
    for (const { name, partitions } of this.#log.topics()) {
      const topic = topicOfDead(name);
      if (topic === undefined) continue;
      const letters = this.#count(partitions[0] as Partition);
      if (letters > 0) boxes.push({ topic, letters });
    }
    return boxes.sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }

  #count(partition: Partition): number {
    const pages = this.#pagesOf(partition);
    return partition.durable - Math.max(pages.base, partition.start) - pages.above;
  }

  /** Letters from an id on, with where to go on; null where there are no more. A box that never was is empty. */
  page(
    topic: string,
    from: number,
    limit: number,
    { source }: Selection = {},
  ): { letters: BoxedLetter[]; next: number | null } {
    const letters: BoxedLetter[] = [];
    const partition = this.#find(topic);
    if (partition === undefined) return { letters, next: null };
    const pages = this.#pagesOf(partition);
    let looked = 0;
    let bytes = 0;
    for (let at = pages.nextOpen(from, partition.durable); at < partition.durable; ) {
      const { records, next } = readBatches(partition, at, READ_BYTES);
      for (const record of records) {
        if (record.offset < at || pages.isDone(record.offset)) continue;
        const full = letters.length === limit || looked === PAGE_LETTERS || bytes > this.#limits.readBytesMax;
        if (full) return { letters, next: record.offset };
        looked++;
        const letter = boxed(record);
        if (letter !== undefined && (source === undefined || letter.source === source)) {
          letters.push(letter);
          bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
        }
      }
      at = pages.nextOpen(next, partition.durable);
    }
    return { letters, next: null };
  }

  /** @throws DEAD_LETTER_UNKNOWN */
  show(topic: string, id: number): BoxedLetter {
    const partition = this.#find(topic);
    const known = partition !== undefined && id < partition.durable && !this.#pagesOf(partition).isDone(id);
    const record = known ? new RecordBlocks(partition, () => undefined).read(id) : undefined;
    const letter = record && boxed(record);
    if (letter !== undefined) return letter;
    throw new SluiceError('DEAD_LETTER_UNKNOWN', `topic ${topic} has no dead letter ${id}`, { topic, offset: id });
  }

  /**
   * Appends the records of some letters to their topics anew, in the order of the letters, all or none.
   * @throws DEAD_LETTER_UNKNOWN, TOPIC_UNKNOWN, OFFSET_TRIMMED where an omitted record is gone, and as `Log.commit`
   */
  retry(topic: string, ids: readonly number[]): Promise<Resent[]> {
    return this.#exclusively(() => this.#retry(topic, ids));
  }

  async #retry(topic: string, ids: readonly number[]): Promise<Resent[]> {
    const sorted = [...new Set(ids)].sort((a, b) => a - b);
    const appends = sorted.map((id) => this.#again(this.show(topic, id)));
    const appended = await this.#finish(topic, sorted, appends);
    return sorted.map((id, i) => {
      const partition = (appends[i] as { partition: Partition }).partition.index;
      return { id, partition, offset: (appended[i] as Appended).baseOffset };
    });
  }

  /** All letters that are there now, in pieces. What was sent before an error stays sent. @throws as `retry` */
  retryAll(topic: string, selection: Selection = {}): Promise<number> {
    return this.#all(topic, selection, (ids) => this.#retry(topic, ids));
  }

  /** Lets letters go. @throws DEAD_LETTER_UNKNOWN */
  drop(topic: string, ids: readonly number[]): Promise<void> {
    return this.#exclusively(async () => {
      for (const id of ids) this.show(topic, id);
      await this.#finish(topic, ids, []);
    });
  }

  /** Without a source also what is no letter, or cannot be read any more. */
  dropAll(topic: string, selection: Selection = {}): Promise<number> {
    if (selection.source !== undefined) return this.#all(topic, selection, (ids) => this.#finish(topic, ids, []));
    return this.#exclusively(async () => {
      const partition = this.#find(topic);
      if (partition === undefined) return 0;
      const count = this.#count(partition);
      const pages = this.#pagesOf(partition);
      const ids: number[] = [];
      for (let id = pages.base; id < partition.durable; id++) if (!pages.isDone(id)) ids.push(id);
      if (ids.length > 0) await this.#finish(topic, ids, []);
      return count;
    });
  }

  #all(topic: string, selection: Selection, act: (ids: readonly number[]) => Promise<unknown>): Promise<number> {
    return this.#exclusively(async () => {
      // A record that dies again meanwhile is not meant.
      const end = this.#find(topic)?.durable ?? 0;
      let count = 0;
      for (let from: number | null = 0; from !== null && from < end; ) {
        const { letters, next } = this.page(topic, from, COMMIT_LETTERS, selection);
        const ids = letters.map(({ id }) => id).filter((id) => id < end);
        if (ids.length > 0) await act(ids);
        count += ids.length;
        from = next;
      }
      return count;
    });
  }

  /** The letter's record as it goes back, to the partition it was in. */
  #again(letter: BoxedLetter): { partition: Partition; batch: Uint8Array } {
    const topic = this.#log.topic(letter.topic);
    const { key, value, headers, timestamp } = letter.omitted ? this.#original(letter) : letter;
    const partition =
      topic.partitions[letter.partition] ??
      (topic.partitions[key === null ? 0 : partitionForKey(key, topic.partitions.length)] as Partition);
    // As old as it is, retention could take it before anyone has read it again.
    const { retentionMs } = topic.config;
    const expired = retentionMs !== null && timestamp < this.#now() - retentionMs;
    const record = { key, value, headers, timestamp: expired ? this.#now() : timestamp };
    return { partition, batch: this.#batch(record) };
  }

  #original({ topic, partition: index, offset }: BoxedLetter): LogRecord {
    const partition = this.#log.partition(topic, index);
    const record = new RecordBlocks(partition, () => undefined).read(offset);
    if (record !== undefined) return record;
    const { start } = partition;
    throw new SluiceError('OFFSET_TRIMMED', `record ${offset} of ${topic}/${index} is no longer kept`, { start });
  }

  #batch(record: RecordInput): Uint8Array {
    const plain = encodeBatch([record]);
    return plain.length <= this.#limits.batchBytesMax ? plain : encodeBatch([record], { compression: 'gzip' });
  }

  async #finish(
    topic: string,
    ids: readonly number[],
    appends: readonly { partition: Partition; batch: Uint8Array }[],
  ): Promise<Appended[]> {
    const partition = this.#find(topic) as Partition;
    const pages = this.#pagesOf(partition);
    for (const id of ids) pages.markDone(id);
    const changes = pages.takeChanges();
    let appended: Appended[];
    try {
      const base = pages.base > partition.start ? [baseChange(partition, pages.base)] : [];
      appended = await this.#log.commit({ appends, state: [...pageState(SPACE, partition, changes), ...base] });
    } catch (error) {
      pages.giveBack(changes);
      for (const id of ids) pages.reopen(id, undefined);
      throw error;
    }
    // What is done is done, trimmed away or not; what stays is trimmed with the next change.
    if (pages.base > partition.start) await partition.trim(pages.base).catch(() => undefined);
    return appended;
  }

  #find(topic: string): Partition | undefined {
    return this.#log.findTopic(deadTopicName(topic))?.partitions[0];
  }

  #pagesOf(partition: Partition): DonePages {
    let pages = this.#pages.get(partition);
    if (pages === undefined) {
      pages = storedPages(this.#log, SPACE, partition, storedBase(this.#log, partition));
      this.#pages.set(partition, pages);
    }
    pages.raiseBase(partition.start);
    return pages;
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(work, work);
    this.#changing = done.catch(() => undefined);
    return done;
  }
}

/** Up to where all letters are done: durable with the records that are sent again, which a trim behind it is not. */
function baseChange({ topic }: Partition, base: number): StateChange {
  return { space: BASES, key: String(topic.id), value: encodeUtf8(String(base)) };
}

function storedBase(log: Log, { topic, start }: Partition): number {
  const stored = log.getState(BASES, String(topic.id));
  return stored === undefined ? start : Math.max(start, Number(Buffer.from(stored)));
}

function boxed(record: LogRecord): BoxedLetter | undefined {
  const letter = readDeadLetter(record);
  return letter && { ...letter, id: record.offset, omitted: valueOmitted(record) };
}
