/**
 * Places for a test: folders that are removed after it, ports nobody listens on.
 */
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterwards } from './cleanup.ts';

/** A new empty folder, removed with what it holds when the test ends. */
export async function tempDir(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'));
  afterwards(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** Below what systems take for outgoing connections: a server that was killed finds its port free when it comes back. */
const FIRST_PORT = 15_000;
const LAST_PORT = 32_000;

/** A port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
