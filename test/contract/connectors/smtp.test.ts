/** Connector smtp against smtp-server, which speaks SMTP and takes or refuses as a test tells it. */
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Connection } from '#connector';
import { freePort, mannersOf, startCutProxy, waitFor } from '#kit';
import smtp from '../../../connectors/smtp/index.ts';

interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
}

describe('against smtp-server', () => {
  let mails: Mail[] = [];
  let server: SMTPServer;
  let port: number;

  beforeEach(async () => {
    mails = [];
    port = await freePort();
    server = new SMTPServer({ ...options(), logger: false });
    server.on('error', () => undefined);
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  });
  afterEach(() => new Promise<void>((resolve) => server.close(() => resolve())));

  function options(): SMTPServerOptions {
    return {
      allowInsecureAuth: true,
      onAuth: ({ username = '', password }, _session, done) => {
        if (username === 'sluice' && password === 'quiet') done(null, { user: username });
        else done(new Error('no'));
      },
      onRcptTo: ({ address }, _session, done) => {
        if (address.startsWith('nobody')) done(failure('no such user', 550));
        else if (address.startsWith('later')) done(failure('mailbox busy', 450));
        else done();
      },
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          const text = Buffer.concat(chunks).toString();
          if (text.includes('forbidden')) return done(failure('that is spam', 554));
          mails.push({
            from: mailFrom === false ? '' : (mailFrom?.address ?? ''),
            to: rcptTo.map(({ address }) => address),
            text,
          });
          return done();
        });
      },
    };
  }

  function failure(message: string, responseCode: number): Error {
    return Object.assign(new Error(message), { responseCode });
  }

  function settings(more: object = {}) {
    return {
      host: '127.0.0.1',
      port,
      tls: 'off',
      user: 'sluice',
      password: 'quiet',
      from: 'shop@example.org',
      ...more,
    };
  }

  const open = (more: object = {}): Promise<Connection> =>
    smtp.open(smtp.spec.parse(settings(more)), { endpoint: 'test' });
  const write = (connection: Connection, records: object[]) =>
    connection.write?.({ stream: 'mails', mode: 'append', keys: [] }, records as never);

  mannersOf(smtp, async () => ({
    config: settings(),
    bad: {
      'a wrong password': { config: settings({ password: 'loud' }), code: 'ENDPOINT_REFUSED' },
      'nobody there': { config: settings({ port: 1 }), code: 'ENDPOINT_UNREACHABLE' },
      'a certificate that nobody trusts': { config: settings({ tls: 'starttls' }), code: 'ENDPOINT_UNREACHABLE' },
    },
  }));

  test('sends what a record says, with its id, headers and attachments', async () => {
    const connection = await open();
    expect((await connection.discover()).map(({ name, can }) => [name, can])).toEqual([['mails', ['append']]]);
    const attachments = JSON.stringify([
      { name: 'list.csv', type: 'text/csv', base64: Buffer.from('a,b').toString('base64') },
    ]);
    const mail = {
      ...{
        to: 'Ada <ada@example.org>, bob@example.org',
        bcc: 'eve@example.org',
        subject: 'Täglich',
        text: 'hello',
        html: '<b>hello</b>',
      },
      ...{ _id: 'order 7', headers: '{"X-Order":"7"}', attachments, reply_to: 'desk@example.org' },
    };
    expect(await write(connection, [mail])).toEqual([{ ok: true }]);
    const [sent] = mails;
    expect(sent?.from).toBe('shop@example.org');
    expect(sent?.to).toEqual(['ada@example.org', 'bob@example.org', 'eve@example.org']);
    for (const part of [
      'Message-ID: <order-7@sluice>',
      'X-Order: 7',
      'Reply-To: desk@example.org',
      'filename=list.csv',
    ]) {
      expect(sent?.text).toContain(part);
    }
    expect(sent?.text).not.toContain('eve@');
    await connection.close();
  });

  test('rejects single mails, for good or for now, and the others go', async () => {
    const connection = await open();
    const results = await write(connection, [
      { to: 'ada@example.org', text: 'one' },
      { to: 'nobody@example.org', text: 'two' },
      { to: 'later@example.org', text: 'three' },
      { to: 'ada@example.org', text: 'forbidden' },
      { text: 'to whom' },
      { to: 'ada@example.org', colour: 'red' },
      { to: 'ada@example.org', attachments: '[{"path":"/etc/passwd"}]' },
      { to: 'ada@example.org', subject: 'x\r\nBcc: eve@example.org', text: 'last' },
    ]);
    expect(results?.map((one) => (one.ok ? 'ok' : one.retryable ? 'later' : 'never'))).toEqual([
      ...['ok', 'never', 'later', 'never', 'never', 'never', 'never', 'ok'],
    ]);
    expect(mails.map(({ to }) => to)).toEqual([['ada@example.org'], ['ada@example.org']]);
    await connection.close();
  });

  test('tells who got a mail that was refused for some', async () => {
    const connection = await open();
    const results = await write(connection, [{ to: 'ada@example.org, nobody@example.org', text: 'one' }]);
    expect(results).toMatchObject([
      { ok: false, retryable: false, reason: expect.stringContaining('nobody@example.org') },
    ]);
    expect(mails).toHaveLength(1);
    await connection.close();
  });

  test('refuses other streams, and says when the way is cut', async () => {
    const proxy = await startCutProxy(port);
    const connection = await open({ port: proxy.port });
    const request = { stream: 'letters', mode: 'append', keys: [] } as const;
    await expect(connection.write?.(request, [])).rejects.toMatchObject({ code: 'ENDPOINT_STREAM_UNKNOWN' });
    await proxy.cut();
    const sent = write(connection, [{ to: 'ada@example.org', text: 'x' }]);
    await expect(sent).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    await proxy.mend();
    await waitFor(() => connection.check().then(() => true), { what: 'it to connect again' });
    await connection.close();
  });
});
