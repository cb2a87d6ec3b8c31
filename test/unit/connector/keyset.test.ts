/** A state comes back from outside: whatever is in it, only what a read has given away reaches the query. */
import { expect, it, test } from 'vitest';
import { type Json, type KeysetQuery, type ReadRequest, readKeyset, type Stream } from '#connector';

const stream: Stream = {
  name: 's',
  fields: [{ name: 'id', type: 'int64', nullable: false }],
  primaryKey: ['id'],
  cursors: ['id'],
  can: ['full'],
};

async function queries(request: Partial<ReadRequest>): Promise<KeysetQuery[]> {
  const asked: KeysetQuery[] = [];
  const pages = readKeyset(stream, { stream: 's', mode: 'full', pageRecordsMax: 2, ...request }, async (query) => {
    asked.push(query);
    return asked.length === 1 ? [{ id: 1n }, { id: 2n ** 62n }] : [];
  });
  for await (const { state } of pages) asked.push({ ...(asked.at(-1) as KeysetQuery), after: state as never });
  return asked;
}

it('goes on behind the last row of the page, with every digit', async () => {
  const [, given, next] = await queries({});
  expect(given?.after).toEqual({ after: { id: '4611686018427387904' } });
  expect(next?.after).toEqual({ id: 2n ** 62n });
});

test.each<Json>([
  { offset: '0; DROP TABLE x' },
  { offset: -1 },
  { offset: [1] },
  { after: { id: '1 OR 1=1' } },
  { after: { id: { sql: 1 } } },
  { after: { other: 1 } },
])('refuses the state %j', async (state) => {
  await expect(queries({ state })).rejects.toMatchObject({
    code: expect.stringMatching(/REQUEST_INVALID|RECORD_REJECTED/),
  });
});

it('refuses a cursor that is none', async () => {
  await expect(queries({ mode: 'incremental', cursor: 'id; --' })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
});
