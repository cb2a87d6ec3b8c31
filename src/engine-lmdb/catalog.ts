/**
 * The catalog: topics, trims, consumer offsets and state: everything durable that is not a batch. The
 * truth is the journal in the segments; this is its fold: in memory what is asked often, in the small `meta`
 * environment all of it, brought up to date now and then (`fold`) and at open (`apply` of the entries that came after).
 *
 *   journal entry durable ──▶ apply() ──▶ memory, marked changed ──▶ fold() ──▶ meta.mdb
 */
import { compareBytes, encodeUtf8 } from '#kernel';
import type { CommittedOffset, ProducerSnapshot, TopicConfig } from '#log';
import type { JournalEntry } from './journal.ts';
import { type Meta, type MetaKey, openMeta, stateEntries } from './meta.ts';
import { StateOverlay } from './state-overlay.ts';

export interface TopicRecord {
  id: number;
  name: string;
  config: TopicConfig;
  createdAt: number;
  partitionIds: number[];
}

/** Entries of state in one transaction of a fold, which holds up this thread while it is being put together. */
const FOLD_ENTRIES = 5_000;
/** Entries that are sorted together. */
const SLICE_ENTRIES = 25_000;

export class Catalog {
  readonly topics = new Map<number, TopicRecord>();
  /** Partition id → first offset kept, where something was trimmed. */
  readonly trims = new Map<number, number>();
  nextTopicId = 1;
  nextPartitionId = 1;
  /** Sequence number of the last journal entry applied. */
  sequence = 0;
  /** Sequence number up to which `meta` has everything. */
  folded = 0;
  readonly #offsets = new Map<string, Map<string, CommittedOffset & { topicId: number }>>();
  /** State not yet in `meta`, oldest first; a fold works on all but the last. */
  #layers = [new StateOverlay()];
  readonly #changed = new Map<string, { key: MetaKey; value: unknown }>();
  readonly #meta: Meta;
  #folding: Promise<void> | undefined;

  constructor(directory: string) {
    this.#meta = openMeta(directory, false);
    this.#load();
  }

  #load(): void {
    this.folded = (this.#meta.get(['folded']) as number | undefined) ?? 0;
    this.sequence = this.folded;
    const ids = this.#meta.get(['ids']) as [topic: number, partition: number] | undefined;
    if (ids !== undefined) [this.nextTopicId, this.nextPartitionId] = ids;
    for (const { value } of this.#meta.getRange({ start: ['topic', 0], end: ['topic', Number.MAX_SAFE_INTEGER] })) {
      const topic = value as TopicRecord;
      this.topics.set(topic.id, topic);
    }
    for (const { key, value } of this.#meta.getRange({ start: ['trim', 0], end: ['trim', Number.MAX_SAFE_INTEGER] })) {
      this.trims.set(key[1] as number, value as number);
    }
    for (const { key, value } of this.#meta.getRange({ start: ['offset', ''] })) {
      if (key[0] !== 'offset') break;
      const [, group, topicId, partition] = key as [string, string, number, number];
      this.#setOffset(group, topicId, partition, value as number);
    }
  }

  /** Makes a durable journal entry's effects visible. */
  apply(sequence: number, entry: JournalEntry): void {
    this.sequence = sequence;
    switch (entry.t) {
      case 'topic': {
        const { t: _, ...topic } = entry;
        this.topics.set(topic.id, topic);
        this.nextTopicId = Math.max(this.nextTopicId, topic.id + 1);
        this.nextPartitionId = Math.max(this.nextPartitionId, ...topic.partitionIds.map((id) => id + 1));
        this.#change(['topic', topic.id], topic);
        this.#change(['ids'], [this.nextTopicId, this.nextPartitionId]);
        break;
      }
      case 'topic-deleted':
        this.#deleteTopic(entry.id);
        break;
      case 'trim':
        this.trims.set(entry.partitionId, entry.start);
        this.#change(['trim', entry.partitionId], entry.start);
        break;
      case 'offsets':
        for (const [group, topicId, partition, offset] of entry.offsets) {
          if (!this.topics.has(topicId)) continue;
          this.#setOffset(group, topicId, partition, offset);
          this.#change(['offset', group, topicId, partition], offset);
        }
        break;
      case 'group-deleted':
        for (const at of this.#offsets.get(entry.group)?.values() ?? []) {
          this.#change(['offset', entry.group, at.topicId, at.partition], undefined);
        }
        this.#offsets.delete(entry.group);
        break;
      case 'state':
        for (const [space, key, value] of entry.changes) this.#newest.set(space, key, value);
        break;
      case 'state-block':
        this.#newest.addBlock(entry.space, entry.block);
        break;
      case 'state-cleared':
        this.#newest.clear(entry.space);
        break;
    }
  }

  get #newest(): StateOverlay {
    return this.#layers.at(-1) as StateOverlay;
  }

  #deleteTopic(id: number): void {
    const topic = this.topics.get(id);
    if (topic === undefined) return;
    this.topics.delete(id);
    this.#change(['topic', id], undefined);
    for (const partitionId of topic.partitionIds) {
      if (this.trims.delete(partitionId)) this.#change(['trim', partitionId], undefined);
    }
    for (const [group, offsets] of this.#offsets) {
      for (const [place, at] of offsets) {
        if (at.topicId !== id) continue;
        offsets.delete(place);
        this.#change(['offset', group, id, at.partition], undefined);
      }
      if (offsets.size === 0) this.#offsets.delete(group);
    }
  }

  #setOffset(group: string, topicId: number, partition: number, offset: number): void {
    const topic = this.topics.get(topicId);
    if (topic === undefined) return;
    const offsets = this.#offsets.get(group) ?? new Map<string, CommittedOffset & { topicId: number }>();
    this.#offsets.set(group, offsets);
    offsets.set(`${topicId}/${partition}`, { topic: topic.name, topicId, partition, offset });
  }

  #change(key: MetaKey, value: unknown): void {
    this.#changed.set(key.join('\u0000'), { key, value });
  }

  committedOffset(group: string, topicId: number, partition: number): number | undefined {
    return this.#offsets.get(group)?.get(`${topicId}/${partition}`)?.offset;
  }

  committedOffsets(group: string): CommittedOffset[] {
    const offsets = [...(this.#offsets.get(group)?.values() ?? [])];
    return offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset }));
  }

  groups(): string[] {
    return [...this.#offsets.keys()].sort();
  }

  getState(space: string, key: string): Uint8Array | undefined {
    for (const layer of this.#layers.toReversed()) {
      const recent = layer.index(space)?.get(key);
      if (recent !== undefined) return recent === null ? undefined : Uint8Array.from(recent);
      if (layer.isCleared(space)) return undefined;
    }
    return (this.#meta.get(['state', space, key]) as Uint8Array | undefined) ?? undefined;
  }

  scanState(space: string, from: string, limit: number): [string, Uint8Array][] {
    const fromBytes = encodeUtf8(from);
    const cleared = this.#layers.findLastIndex((layer) => layer.isCleared(space));
    const recent = new Map<string, Uint8Array | null>();
    for (const layer of this.#layers.slice(Math.max(cleared, 0))) {
      for (const [key, value] of layer.index(space) ?? []) {
        if (compareBytes(encodeUtf8(key), fromBytes) >= 0) recent.set(key, value);
      }
    }
    const found = new Map<string, Uint8Array>();
    if (cleared === -1) {
      for (const [key, value] of stateEntries(this.#meta, space, from)) {
        // Deleted keys still in meta use up places, so that many more are read than may be needed.
        if (found.size >= limit + recent.size) break;
        found.set(key, value);
      }
    }
    for (const [key, value] of recent) {
      if (value === null) found.delete(key);
      else found.set(key, value);
    }
    const entries = [...found].sort(([a], [b]) => compareBytes(encodeUtf8(a), encodeUtf8(b)));
    return entries.slice(0, limit).map(([key, value]) => [key, Uint8Array.from(value)]);
  }

  get hasChanges(): boolean {
    return this.folded < this.sequence;
  }

  /** Writes what has changed to `meta`, in one transaction. Calls while one is under way share it, then go again. */
  async fold(): Promise<void> {
    while (this.#folding !== undefined) await this.#folding;
    if (!this.hasChanges) return;
    this.#folding = this.#foldOnce();
    try {
      await this.#folding;
    } finally {
      this.#folding = undefined;
    }
  }

  async #foldOnce(): Promise<void> {
    const sequence = this.sequence;
    const changed = [...this.#changed];
    const layers = this.#layers;
    this.#layers = [...layers, new StateOverlay()];
    // Until the last transaction says so, the journal has it all: a crash on the way only means to fold again.
    for (const layer of layers) await this.#foldState(layer);
    await this.#meta.batch(() => {
      for (const [, { key, value }] of changed) {
        if (value === undefined) void this.#meta.remove(key);
        else void this.#meta.put(key, value);
      }
      void this.#meta.put(['folded'], sequence);
    });
    this.folded = sequence;
    for (const [id, change] of changed) if (this.#changed.get(id) === change) this.#changed.delete(id);
    this.#layers = this.#layers.slice(layers.length);
  }

  async #foldState(layer: StateOverlay): Promise<void> {
    for (const space of layer.spaces()) {
      if (layer.isCleared(space)) await this.#clearState(space);
      for (const slice of layer.slices(space, SLICE_ENTRIES)) {
        if (slice.length === 0) await new Promise((resolve) => setImmediate(resolve));
        for (let from = 0; from < slice.length; from += FOLD_ENTRIES) {
          await this.#meta.batch(() => {
            for (const [key, value] of slice.slice(from, from + FOLD_ENTRIES)) {
              if (value === null) void this.#meta.remove(['state', space, key]);
              else void this.#meta.put(['state', space, key], value);
            }
          });
        }
      }
    }
  }

  /** Changes of state that are not in `meta` yet, about. */
  get unfoldedBytes(): number {
    return this.#layers.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** What a reader has to lay over what it finds in `meta`. */
  stateBlocks(space: string): { cleared: boolean; blocks: Uint8Array[] } {
    const from = this.#layers.findLastIndex((layer) => layer.isCleared(space));
    const blocks = this.#layers.slice(Math.max(from, 0)).flatMap((layer) => layer.blocks(space));
    return { cleared: from !== -1, blocks };
  }

  async #clearState(space: string): Promise<void> {
    for (;;) {
      const keys: string[] = [];
      for (const [key] of stateEntries(this.#meta, space)) if (keys.push(key) >= FOLD_ENTRIES) break;
      if (keys.length === 0) return;
      await this.#meta.batch(() => {
        for (const key of keys) void this.#meta.remove(['state', space, key]);
      });
    }
  }

  /** Producers of partitions whose segments are about to go; in `meta` when this resolves. */
  async keepProducers(
    snapshots: readonly (readonly [partitionId: number, snapshot: ProducerSnapshot])[],
  ): Promise<void> {
    if (snapshots.length === 0) return;
    await this.#meta.batch(() => {
      for (const [id, snapshot] of snapshots) void this.#meta.put(['producers', id], snapshot);
    });
  }

  /** What `keepProducers` has kept, of partitions that still exist. */
  *keptProducers(): Iterable<readonly [partitionId: number, snapshot: ProducerSnapshot]> {
    const range = { start: ['producers', 0], end: ['producers', Number.MAX_SAFE_INTEGER] };
    for (const { key, value } of this.#meta.getRange(range)) yield [key[1] as number, value as ProducerSnapshot];
  }

  /** A copy of `meta` for a backup, taken from one snapshot. */
  async copyTo(path: string): Promise<void> {
    await (this.#meta as unknown as { backup(path: string, compact: boolean): Promise<void> }).backup(path, false);
  }

  async close(): Promise<void> {
    await this.fold();
    await this.#meta.close();
  }
}
