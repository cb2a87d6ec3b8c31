/**
 * The journal: what a commit carries besides batches, written into the active segment in the same
 * transaction. An entry says what came to be, not what was asked; replaying the entries in order over the
 * folded catalog gives the catalog at the crash.
 */
import { Packr } from 'msgpackr';
import type { TopicConfig } from '#log';

export type JournalEntry =
  | { t: 'topic'; id: number; name: string; config: TopicConfig; createdAt: number; partitionIds: number[] }
  | { t: 'topic-deleted'; id: number }
  | { t: 'trim'; partitionId: number; start: number }
  | { t: 'offsets'; offsets: [group: string, topicId: number, partition: number, offset: number][] }
  | { t: 'group-deleted'; group: string }
  | { t: 'state'; changes: [space: string, key: string, value: Uint8Array | null][] }
  | { t: 'state-block'; space: string; block: Uint8Array }
  | { t: 'state-cleared'; space: string };

const packr = new Packr({ useRecords: false, copyBuffers: true });

/** Several entries of one commit are one value, so that they come back together or not at all. */
export function encodeEntries(entries: readonly JournalEntry[]): Buffer {
  return Buffer.from(packr.pack(entries));
}

export function decodeEntries(bytes: Uint8Array): JournalEntry[] {
  return packr.unpack(bytes) as JournalEntry[];
}
