/** Connector sftp on a real OpenSSH server of its own. */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Connection } from '#connector';
import { fileSuite, lackingServer, startCutProxy, startSshd, waitFor } from '#kit';
import sftp from '../../../connectors/sftp/index.ts';

describe.skipIf(lackingServer('sshd', 'ssh-keygen'))('on a real server', () => {
  let server: Awaited<ReturnType<typeof startSshd>>;
  let places = 0;

  beforeAll(async () => {
    server = await startSshd();
    const config = { ...settings(), path: server.files };
    const attempt = async () => (await sftp.open(sftp.spec.parse(config), { endpoint: 'test' })).close();
    await waitFor(() => attempt().then(() => true), { what: 'sshd to answer' });
  });

  function settings() {
    const { host, port, user, privateKey, fingerprint } = server;
    return { host, port, user, private_key: privateKey, host_key: fingerprint };
  }

  async function newPlace(): Promise<string> {
    const path = join(server.files, String(++places));
    await mkdir(path);
    return path;
  }

  const open = (path: string): Promise<Connection> =>
    sftp.open(sftp.spec.parse({ ...settings(), path, whole: 'whole' }), { endpoint: 'test' });

  fileSuite(sftp, async () => {
    const config = { ...settings(), path: await newPlace() };
    return {
      config,
      bad: {
        'a strange key': { config: { ...config, private_key: server.strangeKey }, code: 'ENDPOINT_REFUSED' },
        'no key': { config: { ...config, private_key: undefined }, code: 'ENDPOINT_REFUSED' },
        'a damaged key': { config: { ...config, private_key: 'nonsense' }, code: 'ENDPOINT_REFUSED' },
        'another server': { config: { ...config, host_key: `SHA256:${'A'.repeat(43)}` }, code: 'ENDPOINT_REFUSED' },
        'nobody there': { config: { ...config, port: 1 }, code: 'ENDPOINT_UNREACHABLE' },
        'no folder': { config: { ...config, path: '/no/such/folder' }, code: 'ENDPOINT_UNREACHABLE' },
      },
    };
  });

  test('appends to a file that is there, and reads on what was added', async () => {
    const path = await newPlace();
    await writeFile(join(path, 'log.csv'), 'id,name\n1,a\n');
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

  test('does not follow links', async () => {
    const path = await newPlace();
    await writeFile(join(server.files, 'secret.csv'), 'a\n1\n');
    await symlink(join(server.files, 'secret.csv'), join(path, 'link.csv'));
    const connection = await open(path);
    expect((await connection.discover()).map(({ name }) => name)).toEqual(['whole']);
    await connection.close();
  });

  test('connects again when the way to the server was cut', async () => {
    const path = await newPlace();
    const proxy = await startCutProxy(server.port);
    const config = { ...settings(), path, port: proxy.port, whole: 'whole' };
    const connection = await sftp.open(sftp.spec.parse(config), { endpoint: 'test' });
    await connection.check();
    await proxy.cut();
    await expect(connection.check()).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    await proxy.mend();
    await waitFor(() => connection.check().then(() => true), { what: 'it to connect again' });
    await connection.close();
  });
});
