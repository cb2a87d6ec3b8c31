/**
 * The small environment `meta.mdb`: the journal folded. How it is opened, and how a space of state lies in it, for the
 * catalog that writes it and for readers on other threads.
 */
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';

export type MetaKey = (string | number)[];
export type Meta = RootDatabase<unknown, MetaKey>;

const META_MAP_BYTES = 64 * 1024 * 1024;

export function openMeta(directory: string, readOnly: boolean): Meta {
  return open<unknown, MetaKey>({
    path: join(directory, 'meta.mdb'),
    noSubdir: true,
    mapSize: META_MAP_BYTES,
    encoding: 'msgpack',
    eventTurnBatching: false,
    // As in a segment: the newest meta page never leads to what a power cut took.
    overlappingSync: false,
    readOnly,
  });
}

/** The entries of one space from a key on, ascending by the keys' bytes. */
export function* stateEntries(meta: Meta, space: string, from = ''): Iterable<[key: string, value: Uint8Array]> {
  meta.resetReadTxn();
  for (const { key, value } of meta.getRange({ start: ['state', space, from] })) {
    if (key[0] !== 'state' || key[1] !== space) return;
    yield [key[2] as string, value as Uint8Array];
  }
}
