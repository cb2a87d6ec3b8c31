/** Connector webdav on a real lighttpd of its own. */
import { existsSync } from 'node:fs';
import { beforeAll, describe } from 'vitest';
import { fileSuite, lackingServer, startWebdav, waitFor } from '#kit';
import webdav from '../../../connectors/webdav/index.ts';

const lackingModule = !existsSync('/usr/lib/lighttpd/mod_webdav.so');

describe.skipIf(lackingServer('lighttpd') || lackingModule)('on a real server', () => {
  let server: Awaited<ReturnType<typeof startWebdav>>;
  let places = 0;

  beforeAll(async () => {
    server = await startWebdav();
    await waitFor(() => fetch(`http://127.0.0.1:${server.port}/`), { what: 'lighttpd to answer' });
  });

  fileSuite(webdav, async () => {
    const { port, user, password } = server;
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    const url = `http://127.0.0.1:${port}/${++places}/`;
    await fetch(url, { method: 'MKCOL', headers: { authorization } });
    const config = { url, user, password };
    return {
      config,
      bad: {
        'a wrong password': { config: { ...config, password: 'loud' }, code: 'ENDPOINT_REFUSED' },
        'no password': { config: { url }, code: 'ENDPOINT_REFUSED' },
        'nobody there': { config: { ...config, url: 'http://127.0.0.1:1/' }, code: 'ENDPOINT_UNREACHABLE' },
        'no folder': { config: { ...config, url: `${url}none/` }, code: 'ENDPOINT_UNREACHABLE' },
      },
    };
  });
});
