/** Message brokers for the tests of a file, each private to it. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterwards } from '../cleanup.ts';
import { freePort } from '../place.ts';
import { waitFor } from '../wait.ts';
import { findServer, owner, type PrivateServer, serverPlace, startPrivate } from './private-server.ts';

const STARTING_CHARS = 10_000;

/** Its node has a port mapper of its own: the common one would outlive the test. */
export async function startRabbitmq(): Promise<PrivateServer> {
  const { folder, port } = await serverPlace();
  const mapper = String(await freePort());
  startPrivate(folder, Number(mapper), findServer('epmd') as string, ['-port', mapper, '-address', '127.0.0.1']);
  const lines = ['default_user = sluice', 'default_pass = quiet', 'loopback_users = none', 'log.console = false'];
  writeFileSync(join(folder, 'rabbitmq.conf'), `${lines.join('\n')}\n`);
  writeFileSync(join(folder, 'plugins'), '[].\n');
  const env = {
    HOME: folder,
    ERL_EPMD_PORT: mapper,
    RABBITMQ_NODENAME: `sluice${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(await freePort()),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1',
  };
  return startPrivate(folder, port, findServer('rabbitmq-server') as string, [], env);
}

export async function startMosquitto(): Promise<PrivateServer> {
  const { folder, port } = await serverPlace();
  writeFileSync(join(folder, 'passwords'), 'sluice:quiet\n', { mode: 0o644 });
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous false',
    `password_file ${join(folder, 'hashed')}`,
    'max_queued_messages 0',
    'persistence true',
    `persistence_location ${folder}/`,
    'autosave_on_changes true',
    'autosave_interval 1',
  ];
  writeFileSync(join(folder, 'config'), `${lines.join('\n')}\n`, { mode: 0o644 });
  execFileSync(findServer('mosquitto_passwd') as string, ['-c', '-b', join(folder, 'hashed'), 'sluice', 'quiet'], {
    stdio: 'pipe',
  });
  chmodSync(join(folder, 'hashed'), 0o644);
  return startPrivate(folder, port, findServer('mosquitto') as string, ['-c', join(folder, 'config')]);
}

export async function startNats(): Promise<PrivateServer> {
  const { folder, port } = await serverPlace();
  const args = ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(folder, 'jetstream')];
  return startPrivate(folder, port, findServer('nats-server') as string, [
    ...args,
    '--user',
    'sluice',
    '--pass',
    'quiet',
  ]);
}

/** A broker that librdkafka imitates in one process, without a disk; a topic is there once it is asked for. */
export async function startKafkaMock(): Promise<{ readonly broker: string; makeTopic(name: string): void }> {
  const { folder } = await serverPlace();
  const kcat = findServer('kcat') as string;
  const args = ['-X', 'test.mock.num.brokers=1', '-b', 'mock', '-d', 'mock', '-C', '-t', 'none', '-o', 'end'];
  const child = spawn(kcat, args, { ...owner(), cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  afterwards(() => {
    child.kill('SIGKILL');
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (said.length < STARTING_CHARS) said += chunk.toString();
  });
  const found = await waitFor(() => /bootstrap\.servers=(\S+)/.exec(said), { what: 'kcat to start' });
  const broker = found[1] as string;
  return {
    broker,
    makeTopic: (name) => {
      execFileSync(kcat, ['-b', broker, '-L', '-t', name], { stdio: 'pipe' });
    },
  };
}
