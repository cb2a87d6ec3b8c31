/** The command line as a Unix user knows it: pipes, exit codes, JSON for programs; backup, restore and verify. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { freePort, runCli, startServer, tempDir } from '#kit';

it('carries lines in and records out', async () => {
  const server = await startServer();
  const at = ['--url', server.url];
  expect(
    (await runCli([...at, 'apply', '-f', '-'], { input: 'kind: topic\nname: orders\nspec: {partitions: 2}\n' })).code,
  ).toBe(0);
  const lines = Array.from({ length: 200 }, (_, n) => JSON.stringify({ n, customer: `c${n % 5}` }));
  const produced = await runCli([...at, '--json', 'produce', 'orders', '--key-field', 'customer'], {
    input: `${lines.join('\n')}\n`,
  });
  expect(JSON.parse(produced.stdout)).toEqual({ topic: 'orders', produced: 200 });
  const consumed = await runCli([...at, 'consume', 'orders', '--from', 'earliest', '--until-end']);
  expect(consumed.code).toBe(0);
  const records = consumed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { key: string; value: { n: number; customer: string } });
  expect(records).toHaveLength(200);
  expect(new Set(records.map(({ value }) => value.n)).size).toBe(200);
  for (const { key, value } of records) expect(key).toBe(value.customer);
  const inGroup = () => runCli([...at, 'consume', 'orders', '--from', 'earliest', '--group', 'g', '--max', '120']);
  expect((await inGroup()).stdout.trim().split('\n')).toHaveLength(120);
  const groups = await runCli([...at, '--json', 'groups', 'describe', 'g']);
  const described = JSON.parse(groups.stdout) as { partitions: { lag: number }[] };
  expect(described.partitions.reduce((sum, { lag }) => sum + lag, 0)).toBe(80);
});

it('has exit codes that scripts can use', async () => {
  const server = await startServer();
  const at = ['--url', server.url];
  expect((await runCli([...at, 'get', 'topic', 'nope'])).code).toBe(1);
  expect((await runCli(['no-such-command'])).code).toBe(2);
  expect((await runCli(['--url', `http://127.0.0.1:${await freePort()}`, 'get', 'topics'])).code).toBe(3);
  expect((await runCli([...at, 'produce', 'nope'], { input: '1\n' })).stderr).toContain('TOPIC_UNKNOWN');
  expect((await runCli(['--help'])).code).toBe(0);
  const bad = await runCli([...at, '--json', 'produce', 'nope'], { input: 'x\n' });
  expect(JSON.parse(bad.stderr.trim())).toMatchObject({ code: 'TOPIC_UNKNOWN', status: 404 });
  await runCli([...at, 'apply', '-f', '-'], { input: '{kind: client, name: boss, spec: {scopes: [admin]}}' });
  expect((await runCli([...at, 'get', 'topics'])).code).toBe(4);
});

it('shows the key of a client it has made, without which nobody would get in again', async () => {
  const server = await startServer();
  const at = ['--url', server.url];
  const input = '{kind: client, name: boss, spec: {scopes: [admin]}}';
  const [, key = ''] = /^key (\S+)/m.exec((await runCli([...at, 'apply', '-f', '-'], { input })).stdout) ?? [];
  expect((await runCli([...at, '--key', key, 'get', 'clients'])).stdout).toContain('boss');
});

it('shows history and goes back to an earlier version', async () => {
  const server = await startServer();
  const at = ['--url', server.url, '--json'];
  for (const ms of [1000, 2000]) {
    await runCli([...at, 'apply', '-f', '-'], { input: `{kind: topic, name: t, spec: {retention_ms: ${ms}}}` });
  }
  const history = JSON.parse((await runCli([...at, 'history', 'topic', 't'])).stdout) as { version: number }[];
  expect(history.map(({ version }) => version)).toEqual([1, 2]);
  const back = JSON.parse((await runCli([...at, 'rollback', 'topic', 't', '1'])).stdout) as {
    version: number;
    spec: { retention_ms: number };
  };
  expect(back).toMatchObject({ version: 3, spec: { retention_ms: 1000 } });
  expect((await runCli([...at, 'delete', 'topic', 't'])).code).toBe(0);
});

it('backs up a store in use, verifies it and restores it', async () => {
  const server = await startServer();
  const at = ['--url', server.url];
  const folder = await tempDir();
  await runCli([...at, 'apply', '-f', '-'], { input: '{kind: topic, name: t}' });
  const file = join(folder, 'lines');
  writeFileSync(file, Array.from({ length: 1_000 }, (_, n) => `${n}\n`).join(''));
  await runCli([...at, 'produce', 't', '--file', file]);
  const backup = await runCli([...at, 'backup', join(folder, 'backup')]);
  expect(backup.stderr).toBe('');
  expect(backup.code).toBe(0);
  await runCli([...at, 'produce', 't', '--file', file]);
  await server.stop();
  expect((await runCli(['verify', server.dataDir])).stdout).toContain('sound');
  const restored = await runCli(['restore', join(folder, 'backup'), join(folder, 'data')]);
  expect(restored.stderr).toBe('');
  const again = await startServer({ dataDir: join(folder, 'data') });
  const consumed = await runCli([
    '--url',
    again.url,
    'consume',
    't',
    '--from',
    'earliest',
    '--until-end',
    '--format',
    'values',
  ]);
  expect(consumed.stdout.trim().split('\n').map(Number)).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
});
