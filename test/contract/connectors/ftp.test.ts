/** Connector ftp on a real vsftpd of its own. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Connection } from '#connector';
import { fileSuite, lacking, lackingServer, startCutProxy, startFtp, waitFor } from '#kit';
import ftp from '../../../connectors/ftp/index.ts';

describe.skipIf(lackingServer('vsftpd') || lacking('root'))('on a real server', () => {
  let server: Awaited<ReturnType<typeof startFtp>>;
  let places = 0;

  beforeAll(async () => {
    server = await startFtp();
    await waitFor(async () => (await open('/files')).close().then(() => true), { what: 'vsftpd to answer' });
  });

  async function newPlace(): Promise<string> {
    const name = String(++places);
    await mkdir(join(server.files, name));
    server.give(join(server.files, name));
    return `/files/${name}`;
  }

  function open(path: string, more: object = {}): Promise<Connection> {
    const { host, port } = server;
    return ftp.open(ftp.spec.parse({ host, port, path, whole: 'whole', ...more }), { endpoint: 'test' });
  }

  fileSuite(ftp, async () => {
    const { host, port } = server;
    const config = { host, port, path: await newPlace() };
    return {
      config,
      bad: {
        'a user who may not': { config: { ...config, user: 'root', password: 'x' }, code: 'ENDPOINT_REFUSED' },
        'no encryption there': { config: { ...config, tls: 'explicit' }, code: 'ENDPOINT_REFUSED' },
        'nobody there': { config: { ...config, port: 1 }, code: 'ENDPOINT_UNREACHABLE' },
        'no folder': { config: { ...config, path: '/no/such' }, code: 'ENDPOINT_UNREACHABLE' },
      },
    };
  });

  test('appends to a file that is there, and reads on what was added', async () => {
    const path = await newPlace();
    const file = join(server.files, String(places), 'log.csv');
    await writeFile(file, 'id,name\n1,a\n');
    server.give(file);
    const connection = await open(path);
    const read = async (state: unknown) => {
      const request = { stream: 'log.csv', mode: 'incremental', state: state as null, pageRecordsMax: 10 } as const;
      for await (const page of connection.read?.(request) ?? []) return page;
      return undefined;
    };
    const first = await read(null);
    const request = { stream: 'log.csv', mode: 'append', keys: [] } as const;
    expect(await connection.write?.(request, [{ id: '2', name: 'x, y' }])).toEqual([{ ok: true }]);
    expect((await read(first?.state))?.records).toEqual([{ id: '2', name: 'x, y' }]);
    await connection.close();
  });

  test('connects again when the way to the server was cut', async () => {
    const path = await newPlace();
    const proxy = await startCutProxy(server.port);
    const connection = await open(path, { port: proxy.port });
    await proxy.cut();
    await expect(connection.check()).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    await proxy.mend();
    await waitFor(() => connection.check().then(() => true), { what: 'it to connect again' });
    await connection.close();
  });
});
