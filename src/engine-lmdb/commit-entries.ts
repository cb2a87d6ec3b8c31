/** What a commit carries besides batches, checked and as journal entries. Called by `LmdbLog.commit`. */
import { type CommitRequest, checkOffsetCommit, checkStateChange, type Log } from '#log';
import type { JournalEntry } from './journal.ts';

/** @throws TOPIC_UNKNOWN, PARTITION_UNKNOWN, OFFSET_OUT_OF_RANGE, REQUEST_INVALID */
export function commitEntries(log: Log, request: CommitRequest): JournalEntry[] {
  const { offsets = [], clear = [], state = [], stateBlocks = [] } = request;
  const entries: JournalEntry[] = [];
  if (offsets.length > 0) {
    const placed = offsets.map((commit): [string, number, number, number] => {
      const { group, topic, partition, offset } = commit;
      checkOffsetCommit(commit, log.partition(topic, partition));
      return [group, log.topic(topic).id, partition, offset];
    });
    entries.push({ t: 'offsets', offsets: placed });
  }
  for (const space of clear) entries.push({ t: 'state-cleared', space });
  if (state.length > 0) {
    for (const change of state) checkStateChange(change);
    const changes = state.map(({ space, key, value }): [string, string, Uint8Array | null] => [
      space,
      key,
      value && Buffer.from(value),
    ]);
    entries.push({ t: 'state', changes });
  }
  // The keys of a block were checked when it was packed: looking at each again would be this thread's work.
  for (const { space, block } of stateBlocks) entries.push({ t: 'state-block', space, block });
  return entries;
}
