/** Endpoints and secrets on the built server: declared, refused, read, written, and connectors that misbehave. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { expect, it } from 'vitest';
import { Admin } from '#client';
import { runCli, type ServerOptions, startServer, tempDir, waitFor } from '#kit';

interface Status {
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly threads: number;
}

async function served(options: ServerOptions = {}) {
  const server = await startServer(options);
  const admin = new Admin({ url: server.url });
  return {
    server,
    admin,
    declare: (name: string, spec: object) => admin.put('endpoints', name, spec),
    status: (name: string) => admin.call<Status>('GET', `/v1/endpoints/${name}/status`),
    check: (name: string) => admin.call<Status>('POST', `/v1/endpoints/${name}/check`),
    streams: (name: string) => admin.call<{ name: string }[]>('GET', `/v1/endpoints/${name}/streams`),
  };
}

async function shopFile(): Promise<string> {
  const path = join(await tempDir(), 'shop.db');
  const database = new Database(path);
  database.exec(`CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL, big BIGINT);
    INSERT INTO orders VALUES (1, 'tea', 9007199254740993), (2, 'cups', 2), (3, 'pot', NULL)`);
  database.close();
  return path;
}

/** A folder of connectors written for a test; each is what its body makes of a definition. */
async function folderOf(bodies: Readonly<Record<string, string>>): Promise<string> {
  const folder = await tempDir();
  for (const [name, body] of Object.entries(bodies)) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'index.js'), moduleOf(name, body));
  }
  return folder;
}

const moduleOf = (name: string, connection: string) => `
  import { defineConnector, z } from 'sluice/connector';
  const stream = { name: 'one', fields: [], primaryKey: [], cursors: [], can: ['full'] };
  export default defineConnector({
    name: '${name}', title: 'A test', description: 'A connector that a test has written.', types: ['api'], proof: 'stub',
    can: ['full'],
    spec: z.strictObject({ token: z.string().optional().describe('A token').meta({ secret: true }) }),
    open: async (config, context) => ({
      check: async () => undefined, discover: async () => [stream], close: async () => undefined,
      read: async function* () { yield { records: [{ a: 1n }], state: 1 }; },
      ${connection}
    }),
  });`;

it('lists the connectors, each with the schema of its settings, also on the command line', async () => {
  const { admin, server } = await served();
  const all = await admin.call<{ name: string; error: unknown }[]>('GET', '/v1/connectors');
  expect(all.map(({ name }) => name)).toContain('sqlite');
  expect(all.filter(({ error }) => error !== null)).toEqual([]);
  const postgres = await admin.call('GET', '/v1/connectors/postgres');
  expect(postgres).toMatchObject({
    proof: 'server',
    config: { required: ['database', 'user'], properties: { password: { type: 'string', secret: true } } },
  });
  await expect(admin.call('GET', '/v1/connectors/none')).rejects.toMatchObject({ code: 'CONNECTOR_UNKNOWN' });
  const { stdout } = await runCli(['--url', server.url, 'connectors', 'postgres']);
  expect(stdout).toMatch(/password +secret +no/);
});

it('reads and writes through an endpoint, page by page and record by record', async () => {
  const { admin, server, declare, status } = await served();
  await declare('shop', { connector: 'sqlite', config: { path: await shopFile() } });
  expect(await status('shop')).toMatchObject({ state: 'active', reason: null, threads: 1 });
  const path = '/v1/endpoints/shop/streams/orders';
  const first = await admin.call<{ records: object[]; state: object }>('GET', `${path}/records?limit=2`);
  expect(first.records).toEqual([
    { id: 1, item: 'tea', big: '9007199254740993' },
    { id: 2, item: 'cups', big: 2 },
  ]);
  const state = encodeURIComponent(JSON.stringify(first.state));
  expect(await admin.call('GET', `${path}/records?limit=2&state=${state}`)).toMatchObject({
    records: [{ id: 3, item: 'pot', big: null }],
  });
  const records = [
    { id: 3, item: 'kettle', big: '9223372036854775807' },
    { id: 'four', item: 'no' },
    { id: 5, item: null },
    { id: 6, item: 'tray' },
  ];
  const { results } = await admin.call<{ results: { ok: boolean }[] }>('POST', `${path}/records`, { records });
  expect(results.map(({ ok }) => ok)).toEqual([true, false, false, true]);
  const { stdout } = await runCli(['--url', server.url, 'endpoints', 'sample', 'shop', 'orders', '--limit', '9']);
  const lines = stdout.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).item)).toEqual(['tea', 'cups', 'kettle', 'tray']);
  const listed = await runCli(['--url', server.url, 'endpoints', 'streams', 'shop']);
  expect(listed.stdout).toMatch(/orders +id:int64 item:string big:int64 +id/);
  await expect(admin.call('POST', `${path}/records?mode=append`, { records })).rejects.toMatchObject({
    code: 'ENDPOINT_UNSUPPORTED',
  });
  await expect(admin.call('GET', '/v1/endpoints/shop/streams/none/sample')).rejects.toMatchObject({
    code: 'ENDPOINT_STREAM_UNKNOWN',
  });
});

it('keeps a secret that the system replaces, over a restart, and tells the others that use it', async () => {
  const replacing = `check: async () => { if (config.token === 'first') await context.keep({ token: 'second' }); },
    read: async function* () { yield { records: [{ token: config.token }], state: 1 }; },`;
  const folder = await folderOf({ rotating: replacing });
  const data = await tempDir();
  const { admin, server, declare } = await served({ args: ['--connectors', folder], dataDir: data });
  await admin.put('secrets', 'rotated', { value: 'first' });
  const spec = { connector: 'rotating', config: { token: { secret: 'rotated' } } };
  await declare('other', { ...spec, test: false });
  await declare('mine', spec);
  const token = async (of: Admin, name: string) => {
    const { records } = await of.call<{ records: object[] }>('GET', `/v1/endpoints/${name}/streams/one/records`);
    return records[0];
  };
  const followed = async () => JSON.stringify(await token(admin, 'other')) === '{"token":"second"}';
  await waitFor(followed, { what: 'the other endpoint to have the new value' });
  const [latest] = (await admin.call<{ by: string }[]>('GET', '/v1/secrets/rotated/history')).slice(-1);
  expect(latest).toMatchObject({ by: 'endpoint mine', version: 2 });
  // Its own connection has the new value already, and was not let go.
  expect(await token(admin, 'mine')).toEqual({ token: 'first' });
  await server.kill();
  const again = await served({ args: ['--connectors', folder], dataDir: data });
  expect(await token(again.admin, 'mine')).toEqual({ token: 'second' });
});

it('tests an endpoint before it is declared, and keeps the old one while the new one does not work', async () => {
  const { admin, declare, status, check } = await served({ args: ['--limit', 'endpointsMax=3'] });
  const path = await shopFile();
  await declare('shop', { connector: 'sqlite', config: { path } });
  const missing = { connector: 'sqlite', config: { path: `${path}.none` } };
  await expect(declare('shop', missing)).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
  expect(await status('shop')).toMatchObject({ state: 'active' });
  await expect(declare('other', { connector: 'nothing' })).rejects.toMatchObject({ code: 'CONNECTOR_UNKNOWN' });
  await expect(declare('other', { connector: 'sqlite', config: { pth: path } })).rejects.toMatchObject({
    code: 'ENDPOINT_INVALID',
  });
  await declare('later', { ...missing, test: false, check_every_ms: 0 });
  expect(await status('later')).toMatchObject({ state: 'inactive', reason: { code: 'NOT_READY' } });
  expect(await check('later')).toMatchObject({ state: 'error', reason: { code: 'ENDPOINT_UNREACHABLE' } });
  await declare('off', { ...missing, enabled: false });
  await expect(admin.call('GET', '/v1/endpoints/off/streams')).rejects.toMatchObject({ code: 'ENDPOINT_DISABLED' });
  await expect(declare('fourth', missing)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
});

it('checks on a schedule, tells the state, and takes endpoints up again after a restart', async () => {
  const { server, declare, status } = await served();
  const path = await shopFile();
  const spec = { connector: 'sqlite', config: { path: `${path}.later` }, test: false, check_every_ms: 100 };
  await declare('shop', spec);
  await waitFor(async () => (await status('shop')).state === 'error', { what: 'the check to fail' });
  await writeFile(`${path}.later`, await readFile(path));
  await waitFor(async () => (await status('shop')).state === 'active', { what: 'the check to succeed' });
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain('sluice_endpoint_up{endpoint="shop",connector="sqlite"} 1');
  await server.stop();
  const again = await served({ dataDir: server.dataDir });
  await waitFor(async () => (await again.status('shop')).state === 'active', { what: 'it to be active again' });
  const { code } = await runCli(['--url', again.server.url, 'endpoints', 'check', 'shop']);
  expect(code).toBe(0);
});

it('keeps a secret out of every answer, file and history, and gives it to the connector alone', async () => {
  const folder = await folderOf({
    telling:
      "check: async () => { if (config.token !== 'hunter3') throw new Error('no entry with ' + config.token); },",
  });
  const { server, admin, declare, check } = await served({ args: ['--connectors', folder, '--log-level', 'trace'] });
  const shown = await admin.put('secrets', 'door', { value: 'hunter2' });
  const config = { token: { secret: 'door' } };
  await expect(declare('telling', { connector: 'telling', config: { token: 'hunter2' } })).rejects.toMatchObject({
    code: 'ENDPOINT_INVALID',
  });
  await expect(
    declare('telling', { connector: 'telling', config: { token: { secret: 'none' } } }),
  ).rejects.toMatchObject({ code: 'SECRET_UNKNOWN' });
  await expect(declare('telling', { connector: 'telling', config })).rejects.toMatchObject({
    code: 'ENDPOINT_FAILED',
    message: 'no entry with ***',
  });
  await declare('telling', { connector: 'telling', config, test: false, check_every_ms: 0 });
  await admin.put('secrets', 'door', { value: 'hunter3' });
  await waitFor(async () => (await check('telling')).state === 'active', { what: 'the new value to be used' });
  await expect(admin.call('DELETE', '/v1/secrets/door')).rejects.toMatchObject({ code: 'RESOURCE_IN_USE' });
  const rollback = admin.call('POST', '/v1/secrets/door/rollback', { version: 1 });
  await expect(rollback).rejects.toMatchObject({ code: 'RESOURCE_INVALID' });
  const history = await admin.call('GET', '/v1/secrets/door/history');
  const endpoint = await admin.call('GET', '/v1/endpoints/telling');
  await server.stop();
  const files = await readdir(server.dataDir, { recursive: true });
  const contents = await Promise.all(files.map((name) => readFile(join(server.dataDir, name)).catch(() => '')));
  const everything = [shown, history, endpoint].map((one) => JSON.stringify(one));
  const told = [...everything, ...contents.map((one) => one.toString('latin1')), server.stderr(), server.stdout()];
  expect(told.filter((text) => /hunter[23]/.test(text))).toEqual([]);
  expect((await stat(join(server.dataDir, 'secret.key'))).mode & 0o777).toBe(0o600);
  const other = { SLUICE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64') };
  const moved = await served({ dataDir: server.dataDir, env: other, args: ['--connectors', folder] });
  expect(await moved.check('telling')).toMatchObject({ state: 'error', reason: { code: 'SECRET_UNREADABLE' } });
});

it('ends a connector that loops, eats memory or exits, and nothing else', async () => {
  const folder = await folderOf({
    looping: 'discover: async () => { for (;;); },',
    hungry: 'discover: async () => { const all = []; for (;;) all.push(new Array(1e5).fill(1)); },',
    exiting: 'discover: async () => process.exit(7),',
    throwing:
      "discover: async () => { setTimeout(() => { throw new Error('uncaught'); }); return new Promise(() => {}); },",
    nodata: 'discover: async () => [() => 1],',
    slow: 'discover: async () => { await new Promise((done) => setTimeout(done, 4000)); return [stream]; },',
    well: '',
  });
  const limits = ['connectorCallMs=10000', `connectorHeapBytesMax=${64 * 1024 * 1024}`, 'connectorCallsMax=2'];
  const args = ['--connectors', folder, ...limits.flatMap((limit) => ['--limit', limit])];
  const { admin, declare, status, streams, check } = await served({ args });
  for (const connector of ['looping', 'hungry', 'exiting', 'throwing', 'nodata', 'slow', 'well']) {
    await declare(connector, { connector, check_every_ms: 0 });
  }
  const looping = streams('looping').catch((error: unknown) => error);
  const three = await Promise.allSettled([streams('slow'), streams('slow'), streams('slow')]);
  const refused = three.filter(({ status: how }) => how === 'rejected');
  expect(refused).toMatchObject([{ reason: { code: 'LIMIT_EXCEEDED' } }]);
  expect(await streams('well')).toMatchObject([{ name: 'one' }]);
  expect(await looping).toMatchObject({ code: 'CONNECTOR_TIMEOUT' });
  expect(await status('looping')).toMatchObject({ state: 'error', reason: { code: 'CONNECTOR_TIMEOUT' } });
  await expect(streams('looping')).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
  for (const name of ['hungry', 'exiting', 'throwing']) {
    await expect(streams(name), name).rejects.toMatchObject({ code: 'CONNECTOR_FAILED' });
    // A check by hand does not wait for the pause to end.
    expect(await check(name)).toMatchObject({ state: 'active', threads: 2 });
  }
  await expect(streams('nodata')).rejects.toMatchObject({ code: 'CONNECTOR_INVALID' });
  const sample = await admin.call('GET', '/v1/endpoints/well/streams/one/sample');
  expect(sample).toEqual({ records: [{ a: 1 }], state: 1 });
});

it('says what a connector lacks, and loads what was changed anew', async () => {
  const folder = await folderOf({ growing: '' });
  await mkdir(join(folder, 'broken'));
  await writeFile(join(folder, 'broken', 'index.js'), 'export default { name: "broken" }');
  await mkdir(join(folder, 'garbled'));
  await writeFile(join(folder, 'garbled', 'index.js'), 'export default {');
  const { admin, declare, streams } = await served({ args: ['--connectors', folder] });
  const all = await admin.call<{ name: string; error: { code: string } | null }[]>('GET', '/v1/connectors');
  const errors = all.filter(({ error }) => error !== null).map(({ name, error }) => [name, error?.code]);
  expect(errors).toEqual([
    ['broken', 'CONNECTOR_INVALID'],
    ['garbled', 'CONNECTOR_INVALID'],
  ]);
  await expect(declare('broken', { connector: 'broken' })).rejects.toMatchObject({ code: 'CONNECTOR_INVALID' });
  await declare('growing', { connector: 'growing', check_every_ms: 0 });
  expect(await streams('growing')).toHaveLength(1);
  const file = join(folder, 'growing', 'index.js');
  await writeFile(file, moduleOf('growing', 'discover: async () => [stream, { ...stream, name: "two" }],'));
  await waitFor(async () => (await streams('growing')).length === 2, { what: 'the new code to run' });
  await mkdir(join(folder, 'added'));
  await writeFile(join(folder, 'added', 'index.js'), moduleOf('added', ''));
  await declare('added', { connector: 'added', check_every_ms: 0 });
});
