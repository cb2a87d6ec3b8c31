/**
 * A listener thread. Started by the gateway with its settings; told tables and keys, tells what it counted. It ends by
 * running out of things to do after `close`, never by being ended.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { FromListener, ListenerSettings, ToListener } from '../table.ts';
import { Listener } from './listener.ts';

const STATS_MS = 500;

const port = parentPort as MessagePort;
const tell = (message: FromListener) => port.postMessage(message);
const fault = (error: unknown) => {
  const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  tell({ kind: 'fault', message, stack });
};
// An error nobody expected must not end the thread under its native handles. Its request ends by its deadline.
process.on('uncaughtException', fault);
process.on('unhandledRejection', fault);

const listener = new Listener(workerData as ListenerSettings);
const tellStats = () => {
  const delta = listener.stats.take();
  if (delta !== undefined) tell({ kind: 'stats', delta });
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
    tell({ kind: 'applied', version: message.table.version });
  } else if (message.kind === 'keys') listener.useKeys(message.keys);
  else close(message.graceMs).catch(fault);
});

if (await listener.listen()) tell({ kind: 'listening' });
else tell({ kind: 'refused' });
