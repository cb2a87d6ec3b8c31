/** A full disk: writes are refused by code, reads go on, and writing goes on when there is space again. */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { connect } from '#client';
import { lacking, startServer, tempDir, waitFor } from '#kit';

const VALUE = 'x'.repeat(60_000);

it.skipIf(lacking('root', 'mount'))('refuses writes, serves reads, and recovers', async () => {
  const dataDir = await tempDir();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', dataDir]);
  try {
    writeFileSync(join(dataDir, 'filler'), Buffer.alloc(16 * 1024 * 1024, 1));
    const server = await startServer({ dataDir, args: ['--limit', 'segmentBytes=8388608'] });
    const client = connect({ url: server.url });
    await client.admin.createTopic('t', { partitions: 1 });
    const produce = () =>
      client.admin.call<{ offsets: { offset: number }[] }>('POST', '/v1/topics/t/records', {
        records: [{ value: VALUE }],
      });
    let stored = 0;
    let refusal: unknown;
    for (let i = 0; i < 2_000 && refusal === undefined; i++) {
      await produce().then(
        ({ offsets }) => {
          expect(offsets[0]?.offset).toBe(stored++);
        },
        (error: unknown) => {
          refusal = error;
        },
      );
    }
    expect(refusal).toMatchObject({ code: 'DISK_FULL', retryable: true });
    expect(stored).toBeGreaterThan(50);
    const answer = await fetch(`${server.url}/v1/topics/t/partitions/0/records?offset=${stored - 1}`);
    expect(((await answer.json()) as { records: unknown[] }).records).toHaveLength(1);

    rmSync(join(dataDir, 'filler'));
    const offset = await waitFor(
      () =>
        produce().then(
          ({ offsets }) => ({ at: offsets[0]?.offset }),
          () => undefined,
        ),
      { what: 'a write that is accepted again', timeoutMs: 20_000 },
    );
    expect(offset.at).toBe(stored);
    client.close();
    await server.stop();
  } finally {
    execFileSync('umount', ['-l', dataDir]);
  }
});
