/**
 * Screening as a policy of a route, from outside: the regression cases of the OWASP core rule set go through the built
 * gateway as requests, once where it blocks and once where it only tells. Prints the table.
 */
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { waitFor } from '#kit';
import { type CrsCase, crsCases } from '../../bench/kit/crs.ts';
import { behind } from './gateway-fixture.ts';

const CASES = crsCases(fileURLToPath(new URL('../..', import.meta.url)));
const AT_ONCE = 16;
/** What is written for each request anew. */
const OWN = new Set(['content-length', 'transfer-encoding', 'connection', 'host', 'expect']);

/** The status and the code of the answer. Heads are written as they are in the case, whatever a client library thinks of them. */
function send(port: number, { method, request, body }: CrsCase): Promise<string> {
  const { path, query, headers } = request;
  const lines = [
    `${method} ${path}${query === '' ? '' : `?${query}`} HTTP/1.1`,
    'host: api.example',
    'connection: close',
  ];
  for (let i = 0; i < headers.length; i += 2) {
    if (!OWN.has(headers[i] as string)) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  }
  if (body.length > 0) lines.push(`content-length: ${body.length}`);
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 'none';
      resolve(`${status} ${/"code":"([A-Z_]+)"/.exec(answer)?.[1] ?? ''}`.trim());
    });
    socket.write(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]));
  });
}

async function sendAll(port: number, cases: readonly CrsCase[]): Promise<string[]> {
  const answers: string[] = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < cases.length; at = next++) answers[at] = await send(port, cases[at] as CrsCase);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return answers;
}

const SCREENED = '403 REQUEST_SUSPICIOUS';

describe('the cases of the OWASP core rule set, sent to a route', () => {
  const started = async (mode: string) => {
    const gateway = await behind((request, response) => {
      request.resume();
      request.on('end', () => void response.end('fine'));
    });
    await gateway.put('route', 'all', {
      path: '/{rest...}',
      upstream: 'main',
      screening: { mode, body_bytes_max: 1_000_000 },
    });
    return gateway;
  };

  test('are caught where they are attacks, and pass where they are not', async () => {
    const gateway = await started('block');
    const answers = await sendAll(gateway.port, CASES);
    const rows = ['sql', 'xss', 'path', 'command', 'header', 'all'].map((category) => {
      const own = CASES.flatMap((one, i) =>
        category === 'all' || one.category === category ? [{ ...one, answer: answers[i] as string }] : [],
      );
      const share = (some: typeof own) => {
        const caught = some.filter(({ answer }) => answer === SCREENED).length;
        // What is no request to the gateway never reaches a policy, nor the upstream.
        const malformed = some.filter(({ answer }) => answer !== SCREENED && !answer.startsWith('200')).length;
        return { of: some.length, caught, malformed, passed: some.length - caught - malformed };
      };
      const harmless = own.filter(({ attack, attackElsewhere }) => !attack && attackElsewhere === undefined);
      return { category, attacks: share(own.filter(({ attack }) => attack)), harmless: share(harmless) };
    });
    for (const { category, attacks, harmless } of rows) {
      process.stdout.write(
        `${category.padEnd(8)} attacks ${attacks.of}: screened ${attacks.caught}, malformed ${attacks.malformed}, ` +
          `passed ${attacks.passed}; harmless ${harmless.of}: screened ${harmless.caught}, malformed ${harmless.malformed}\n`,
      );
    }
    for (const { category, attacks } of rows) {
      expect([category, attacks.passed / attacks.of]).toSatisfy(([, share]) => share <= 0.1);
    }
    const { harmless } = rows.at(-1) as (typeof rows)[number];
    expect(harmless.caught / harmless.of).toBeLessThanOrEqual(0.02);
  });

  test('all pass where screening only tells, and are counted', async () => {
    const gateway = await started('log');
    const some = CASES.filter((_, i) => i % 10 === 0);
    const answers = await sendAll(gateway.port, some);
    expect(answers.filter((answer) => answer === SCREENED)).toEqual([]);
    const told = /^sluice_gateway_findings_total\{(?=[^}]*policy="screening")(?=[^}]*outcome="passed")[^}]*\} (\d+)/m;
    await waitFor(async () => (await gateway.metric(told)) > some.length / 2, { what: 'what was found to be counted' });
    expect(await gateway.metric(told)).toBeLessThanOrEqual(some.length);
  });
});
