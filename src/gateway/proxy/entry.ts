/**
 * A listener thread. Started by the gateway with its settings; told tables and keys, tells what it counted. It ends by
 * running out of things to do after `close`, never by being ended.
 */
import { createRequire } from 'node:module';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { ThreadLink } from '../link.ts';
import type { FromListener, ListenerSettings, ToListener } from '../table.ts';
import type * as ListenerModule from './listener.ts';

const require = createRequire(import.meta.url);
/** Required, since that loads its modules sooner than an import; none of them may await at its top. */
const { Listener } = require('./listener.js') as typeof ListenerModule;
const STATS_MS = 500;

const port = parentPort as MessagePort;
const post = (message: FromListener) => port.postMessage(message);
const link = new ThreadLink((message, transfer) => port.postMessage(message, transfer));
const fault = (error: unknown) => {
  const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  link.tell('fault', { message, stack });
};
// An error nobody expected must not end the thread under its native handles. Its request ends by its deadline.
process.on('uncaughtException', fault);
process.on('unhandledRejection', fault);

const listener = new Listener(workerData as ListenerSettings, link);
let told = '';
const tellStats = () => {
  const state = listener.state();
  const text = JSON.stringify(state);
  if (text !== told) link.tell('state', state);
  told = text;
  const delta = listener.stats.take();
  if (delta !== undefined) link.tell('stats', delta);
};
const timer = setInterval(tellStats, STATS_MS);

async function close(graceMs: number): Promise<void> {
  await listener.close(graceMs);
  clearInterval(timer);
  tellStats();
  port.close();
}

port.on('message', (message: ToListener) => {
  if (message.kind === 'table') {
    listener.apply(message.table);
    post({ kind: 'applied', version: message.table.version });
  } else if (message.kind === 'close') close(message.graceMs).catch(fault);
  else link.received(message);
});

if (await listener.listen()) post({ kind: 'listening' });
else post({ kind: 'refused' });
