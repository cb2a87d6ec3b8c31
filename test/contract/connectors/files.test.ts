/** Connector files on folders of its own: the suite on what can be appended to, and the other formats as they are read. */
import { appendFile, chmod, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Json, Page, Row } from '#connector';
import { connectorSuite, fileSuite, type Place, tempDir } from '#kit';
import files from '../../../connectors/files/index.ts';

const ALL = ['full', 'incremental', 'append'] as const;

async function place(create: (folder: string) => Place['create']): Promise<Place> {
  const folder = await tempDir();
  await writeFile(join(folder, 'plain.txt'), 'no stream');
  return {
    config: { path: folder },
    bad: {
      'no folder': { config: { path: join(folder, 'none') }, code: 'ENDPOINT_UNREACHABLE' },
      'a file': { config: { path: join(folder, 'plain.txt') }, code: 'ENDPOINT_UNREACHABLE' },
    },
    create: create(folder),
  };
}

connectorSuite(
  files,
  () =>
    place((folder) => async () => {
      await writeFile(join(folder, 'people.csv'), '\ufeffname,"the, note"\r\n');
      return {
        stream: 'people.csv',
        types: { name: 'string', 'the, note': 'string' },
        key: [],
        cursor: 'its place',
        row: (i: number): Row => ({ name: `n${i}`, 'the, note': `line\n"${i}", ü` }),
        changed: (row: Row) => row,
        exact: [
          { name: '', 'the, note': '' },
          { name: ' space ', 'the, note': '1,5\r\n' },
          { name: '🦥', 'the, note': '"' },
        ],
        poison: { name: 'x', 'the, note': 'y', third: 'z' },
      };
    }),
  ALL,
);

connectorSuite(
  files,
  () =>
    place((folder) => async () => {
      await writeFile(join(folder, 'events.ndjson'), '');
      return {
        stream: 'events.ndjson',
        types: { name: 'string', n: 'float', on: 'boolean', list: 'string' },
        key: [],
        cursor: 'its place',
        row: (i: number): Row => ({ name: `n${i}`, n: i / 2, on: i % 2 === 0, list: `[${i}]` }),
        changed: (row: Row) => row,
        exact: [
          { name: 'line\n\u2028"', n: 5e-324, on: null, list: '{"a":[null]}' },
          { name: '🦥', n: -1.5, more: 'y', list: '[]' },
        ],
      };
    }),
  ALL,
);

fileSuite(files, async () => {
  const path = await tempDir();
  const missing = { config: { path: join(path, 'none') }, code: 'ENDPOINT_UNREACHABLE' };
  const unknown = { config: { path, sets: { all: '*.exe' } }, code: 'ENDPOINT_INVALID' };
  const twice = { config: { path, whole: 'all', sets: { all: '*.csv' } }, code: 'ENDPOINT_INVALID' };
  return { config: { path }, bad: { missing, unknown, twice } };
});

describe('connector files', () => {
  async function readAll(folder: string, stream: string, state?: Json, more: object = {}) {
    const connection = await files.open(files.spec.parse({ path: folder, ...more }), { endpoint: 'test' });
    const pages: Page[] = [];
    const mode = state === undefined ? 'full' : 'incremental';
    const request = { stream, mode, pageRecordsMax: 2, ...(state === undefined ? {} : { state }) } as const;
    for await (const page of connection.read?.(request) ?? []) pages.push(page);
    return { records: pages.flatMap(({ records }) => records), state: pages.at(-1)?.state ?? null, pages };
  }

  test('reads lists of JSON and XML record by record, and goes on within them', async () => {
    const folder = await tempDir();
    const list = [{ id: 1, tags: ['a'] }, { id: 2, tags: null }, { id: 3 }, 4];
    await writeFile(join(folder, 'list.json'), JSON.stringify(list));
    await writeFile(join(folder, 'one.json'), '{"id": 7, "name": "only"}');
    const xml = `<?xml version="1.0"?><shop><order id="1"><item>tea &amp; cups</item><item><![CDATA[<pot>]]></item></order>
      <order id="2"><to><city>Berlin</city></to>note</order><order/></shop>`;
    await writeFile(join(folder, 'shop.xml'), xml);
    const { records, pages } = await readAll(folder, 'list.json');
    expect(records).toEqual([{ id: 1, tags: '["a"]' }, { id: 2, tags: null }, { id: 3 }, { value: 4 }]);
    expect(pages[0]?.state).toEqual({ next: 2 });
    expect((await readAll(folder, 'one.json')).records).toEqual([{ id: 7, name: 'only' }]);
    expect((await readAll(folder, 'shop.xml')).records).toEqual([
      { '@id': '1', item: '["tea & cups","<pot>"]' },
      { '@id': '2', to: '{"city":"Berlin"}', '#text': 'note' },
      {},
    ]);
    const items = await readAll(folder, 'shop.xml', undefined, { xml_record: 'item' });
    expect(items.records).toEqual([{ '#text': 'tea & cups' }, { '#text': '<pot>' }]);
  });

  test('leaves a line that is being written to the next read, and notices a file that was cut', async () => {
    const folder = await tempDir();
    const path = join(folder, 'log.ndjson');
    await writeFile(path, '{"n":1}\n{"n":2');
    const first = await readAll(folder, 'log.ndjson', null);
    expect(first.records).toEqual([{ n: 1 }]);
    await appendFile(path, '2}\n');
    const second = await readAll(folder, 'log.ndjson', first.state);
    expect(second.records).toEqual([{ n: 22 }]);
    const quoted = join(folder, 'log.csv');
    await writeFile(quoted, 'a,b\n1,2\n3,"4');
    const whole = await readAll(folder, 'log.csv', null);
    expect(whole.records).toEqual([{ a: '1', b: '2' }]);
    await appendFile(quoted, '\n5"\n6,7');
    expect((await readAll(folder, 'log.csv', whole.state)).records).toEqual([{ a: '3', b: '4\n5' }]);
    await truncate(path, 3);
    await expect(readAll(folder, 'log.ndjson', second.state)).rejects.toMatchObject({ code: 'ENDPOINT_FAILED' });
  });

  test.each([
    ['bad.csv', 'a,b\n1,2\n3\n'],
    ['quote.csv', 'a,b\n1,"2\n'],
    ['bad.ndjson', '{"a":1}\n{"a":\n'],
    ['bad.json', '[{"a":1},'],
    ['words.json', '[{"a":1} nonsense]'],
    ['bad.xml', '<a><b></a>'],
    ['bomb.xml', '<!DOCTYPE a [<!ENTITY x "y">]><a><b>&x;</b></a>'],
    ['deep.xml', '<a>'.repeat(500)],
  ])('says where %s is damaged', async (name, text) => {
    const folder = await tempDir();
    await writeFile(join(folder, name), text);
    await expect(readAll(folder, name)).rejects.toMatchObject({
      code: 'ENDPOINT_FAILED',
      message: expect.stringContaining(name),
    });
  });

  test('does not leave its folder', async () => {
    const [folder, outside] = [await tempDir(), await tempDir()];
    await writeFile(join(outside, 'secret.csv'), 'a\n1\n');
    await symlink(join(outside, 'secret.csv'), join(folder, 'link.csv'));
    await symlink(outside, join(folder, 'linked'));
    await chmod(folder, 0o755);
    for (const name of ['link.csv', 'linked/secret.csv', `../${outside.split('/').at(-1)}/secret.csv`]) {
      await expect(readAll(folder, name), name).rejects.toMatchObject({ code: 'ENDPOINT_STREAM_UNKNOWN' });
    }
    const connection = await files.open(files.spec.parse({ path: folder, whole: 'whole' }), { endpoint: 'test' });
    for (const mode of ['upsert', 'delete'] as const) {
      const request = { stream: 'whole', mode, keys: [] };
      const records = [
        { name: 'linked/secret.csv', content: 'x' },
        { name: 'linked/deep/new.csv', content: 'x' },
      ];
      const results = await connection.write?.(request, records);
      expect(results?.map(({ ok }) => ok)).toEqual([false, false]);
    }
    expect(await readdir(outside)).toEqual(['secret.csv']);
  });

  test('reads a file of many pages to its end', async () => {
    const folder = await tempDir();
    const line = `${'x'.repeat(200)},1\n`;
    await writeFile(join(folder, 'large.csv'), `a,b\n${line.repeat(20_000)}`);
    const { records, state } = await readAll(folder, 'large.csv');
    expect(records).toHaveLength(20_000);
    expect(state).toEqual({ next: 4 + 20_000 * line.length });
  });
});
