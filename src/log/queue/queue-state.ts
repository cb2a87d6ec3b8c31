/**
 * Where the log keeps what a queue knows: the pages of its partitions as state of the space `queue:<group>`, and which
 * groups are queues in the space `queues`. The base of the pages is the group's committed offset. Keys carry the id of
 * the topic, so that another topic of the same name begins anew.
 */
import { encodeUtf8 } from '#kernel';
import type { Log, Partition, StateChange } from '../contract.ts';
import { DonePages, type PageChange } from './done-pages.ts';

const MARKERS = 'queues';
const MARK = encodeUtf8('1');
const PAGE_DIGITS = 13;
const SCAN_ENTRIES = 1_000;

function spaceOf(group: string): string {
  return `queue:${group}`;
}

/** Ends where the number of the page begins. */
function prefixOf({ topic, index }: Partition): string {
  return `${topic.id}.${index}.`;
}

/** What makes the group a queue for as long as it exists. */
export function markChange(group: string): StateChange {
  return { space: MARKERS, key: group, value: MARK };
}

export function isQueue(log: Log, group: string): boolean {
  return log.getState(MARKERS, group) !== undefined;
}

export function pageChanges(group: string, partition: Partition, changes: readonly PageChange[]): StateChange[] {
  return pageState(spaceOf(group), partition, changes);
}

/** What is done above the base. @throws STORE_CORRUPT */
export function loadPages(log: Log, group: string, partition: Partition, base: number): DonePages {
  return storedPages(log, spaceOf(group), partition, base);
}

/** Pages of a partition as state of a space. */
export function pageState(space: string, partition: Partition, changes: readonly PageChange[]): StateChange[] {
  const prefix = prefixOf(partition);
  return changes.map(({ page, value }) => ({ space, key: prefix + String(page).padStart(PAGE_DIGITS, '0'), value }));
}

/** What `pageState` has stored. @throws STORE_CORRUPT */
export function storedPages(log: Log, space: string, partition: Partition, base: number): DonePages {
  const pages = new DonePages(base);
  const prefix = prefixOf(partition);
  for (const [key, value] of entries(log, space, prefix)) pages.load(Number(key.slice(prefix.length)), value);
  pages.settle();
  return pages;
}

/** Forgets the pages of some partitions. */
export function clearPages(log: Log, group: string, partitions: readonly Partition[]): StateChange[] {
  const space = spaceOf(group);
  return partitions.flatMap((partition) => {
    return Array.from(entries(log, space, prefixOf(partition)), ([key]) => ({ space, key, value: null }));
  });
}

/** Forgets everything of the group, also that it is a queue. */
export function clearQueue(log: Log, group: string): StateChange[] {
  const space = spaceOf(group);
  const pages = Array.from(entries(log, space, ''), ([key]) => ({ space, key, value: null }));
  return [...pages, { space: MARKERS, key: group, value: null }];
}

/** Forgets the pages of topics that are gone, in all queues. */
export function clearDeleted(log: Log): StateChange[] {
  const present = new Set(log.topics().map(({ id }) => String(id)));
  const gone: StateChange[] = [];
  for (const [group] of entries(log, MARKERS, '')) {
    const space = spaceOf(group);
    for (const [key] of entries(log, space, '')) {
      if (!present.has(key.slice(0, key.indexOf('.')))) gone.push({ space, key, value: null });
    }
  }
  return gone;
}

function* entries(log: Log, space: string, prefix: string): Iterable<readonly [key: string, value: Uint8Array]> {
  for (let from = prefix, again = false; ; again = true) {
    const found = log.scanState(space, from, SCAN_ENTRIES);
    for (const entry of again ? found.slice(1) : found) {
      if (!entry[0].startsWith(prefix)) return;
      yield entry;
    }
    const last = found.at(-1);
    if (last === undefined || found.length < SCAN_ENTRIES) return;
    // The scan begins with where the last one ended.
    from = last[0];
  }
}
