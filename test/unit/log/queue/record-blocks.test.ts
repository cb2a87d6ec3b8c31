/** What was read ahead: given once, let go when there is no room, and read again, the same, when its turn comes. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeUtf8, resolveLimits, systemClock } from '#kernel';
import { MemoryLog, type Partition } from '#log';
import { encodeBatch } from '#record';
import { RecordBlocks, readBlock } from '../../../../src/log/queue/record-blocks.ts';

const BATCHES = 200;
const RECORDS = 10;

async function filled(): Promise<Partition> {
  const log = new MemoryLog({ limits: resolveLimits(), clock: systemClock });
  onTestFinished(() => log.close());
  const partition = (await log.createTopic('t')).partitions[0] as Partition;
  for (let i = 0; i < BATCHES; i++) {
    await partition.append(
      encodeBatch(Array.from({ length: RECORDS }, (_, n) => ({ value: encodeUtf8(`${i * RECORDS + n}`) }))),
    );
  }
  return partition;
}

function readAhead(partition: Partition, blocks: RecordBlocks): void {
  const cursor = partition.cursor(0);
  for (let chunk = cursor.next(1); chunk !== null; chunk = cursor.next(1)) {
    const block = readBlock(chunk.bytes, 0);
    block.live = RECORDS;
    blocks.keep(block);
  }
}

const numberAt = (blocks: RecordBlocks, offset: number) =>
  Number(Buffer.from(blocks.take(offset)?.value ?? []).toString());

describe('records read ahead', () => {
  it('are each given as they are, and cost nothing when all of a batch are', async () => {
    const partition = await filled();
    const blocks = new RecordBlocks(partition, () => undefined);
    readAhead(partition, blocks);
    expect(blocks.bytes).toBeGreaterThan(BATCHES * RECORDS * 400);
    for (let n = 0; n < BATCHES * RECORDS; n++) {
      const offset = (n * 7) % (BATCHES * RECORDS);
      expect(numberAt(blocks, offset)).toBe(offset);
    }
    expect(blocks.bytes).toBe(0);
  });

  it('can be let go, the oldest first, and are the same when read again', async () => {
    const partition = await filled();
    const blocks = new RecordBlocks(partition, () => undefined);
    readAhead(partition, blocks);
    let freed = 0;
    while (blocks.bytes > 100_000) freed += blocks.evict();
    expect(freed).toBeGreaterThan(0);
    expect([numberAt(blocks, 3), numberAt(blocks, 1_999), numberAt(blocks, 4)]).toEqual([3, 1_999, 4]);
    while (blocks.evict() > 0);
    expect([blocks.bytes, blocks.evict(), numberAt(blocks, 1_998)]).toEqual([0, 0, 1_998]);
  });

  it('may be kept one by one, without their batch', async () => {
    const partition = await filled();
    const blocks = new RecordBlocks(partition, () => undefined);
    const record = blocks.read(55);
    expect(record?.value?.buffer.byteLength).toBeGreaterThan(100);
    blocks.keepOne(record as NonNullable<typeof record>);
    const kept = blocks.take(55);
    expect([kept, kept?.value?.buffer.byteLength]).toEqual([record, 2]);
    // The batch is at hand for the next one, until there is no room.
    expect([blocks.isAtHand(59), blocks.isAtHand(60), blocks.bytes > 0]).toEqual([true, false, true]);
    blocks.evict();
    expect([blocks.isAtHand(59), blocks.bytes]).toEqual([false, 0]);
  });

  it('keep batches at hand up to a bound, those used last', async () => {
    const partition = await filled();
    const blocks = new RecordBlocks(partition, () => undefined);
    const [a, b, c] = [0, 1, 2].map((n) => BATCHES * RECORDS + n) as [number, number, number];
    for (let n = 0; n < 3; n++) await partition.append(encodeBatch([{ value: new Uint8Array(200_000) }]));
    for (const offset of [a, b, a, c]) blocks.read(offset);
    expect([a, b, c].map((offset) => blocks.isAtHand(offset))).toEqual([true, false, true]);
    expect(blocks.bytes).toBeLessThan(500_000);
  });

  it('that are gone from the log are told, and not given', async () => {
    const partition = await filled();
    const told: string[] = [];
    const blocks = new RecordBlocks(partition, ({ code }) => told.push(code));
    await partition.trim(100);
    expect([blocks.read(5), blocks.read(100)?.offset, told]).toEqual([undefined, 100, ['OFFSET_TRIMMED']]);
  });
});
