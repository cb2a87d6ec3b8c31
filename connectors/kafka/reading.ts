/** A topic from offsets on up to those that were the last when reading began. Both modes are the same. */
import { type Json, type MessageFormat, type Page, type ReadRequest, type Row, SluiceError } from '#connector';
import type { Cluster } from './cluster.ts';
import { advance, follow, type Places, placesFrom, rowOf, stateOf } from './consuming.ts';

export async function* readTopic(
  cluster: Cluster,
  format: MessageFormat,
  { stream, state, pageRecordsMax }: ReadRequest,
): AsyncGenerator<Page> {
  await cluster.stream(stream, format);
  const { offsets } = (state ?? {}) as { offsets?: unknown };
  const places = await placesFrom(cluster, [stream], offsets, true);
  const ends = new Map(Array.from(await cluster.bounds(stream), ([partition, { high }]) => [partition, high]));
  if (arrivedAt(places, stream, ends)) return;
  const { inbox, end } = await follow(cluster, places, pageRecordsMax);
  try {
    while (!arrivedAt(places, stream, ends)) {
      const taken = await inbox.take(pageRecordsMax);
      const records: Row[] = [];
      for (const arrived of taken) {
        if (arrived.offset < (ends.get(arrived.partition) ?? 0n) && advance(places, arrived)) {
          records.push(rowOf(arrived, format));
        }
      }
      // The last offsets may be marks of transactions, or compacted away.
      if (taken.length === 0) return;
      if (records.length > 0) yield { records, state: { offsets: stateOf(places) } as Json };
    }
  } finally {
    inbox.fail(new SluiceError('ENDPOINT_FAILED', 'the read was left'));
    await end();
  }
}

function arrivedAt(places: Places, topic: string, ends: ReadonlyMap<number, bigint>): boolean {
  return Array.from(ends).every(([partition, end]) => (places.get(topic)?.get(partition) ?? 0n) >= end);
}
