/** The kit's server: a process of its own that ends as it is told and never stays behind. */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startServer, tempDir } from '#kit';

const answers = async (url: string) => (await fetch(`${url}/readyz`)).status;

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('startServer', () => {
  let left = { pid: 0, dataDir: '' };

  test('gives a server that is ready on the port it names', async () => {
    const server = await startServer();
    left = server;
    expect(await answers(server.url)).toBe(200);
    expect(new URL(server.url).port).toBe(String(server.port));
    expect(new URL(server.wsUrl).host).toBe(new URL(server.url).host);
  });

  test('leaves neither process nor data behind when its test is over', () => {
    expect(left.pid).toBeGreaterThan(0);
    expect(alive(left.pid)).toBe(false);
    expect(existsSync(left.dataDir)).toBe(false);
  });

  test('stops with exit code 0 when asked to', async () => {
    const server = await startServer();
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  });

  test('starts again on the data of a server that was killed', async () => {
    const dataDir = await tempDir();
    const first = await startServer({ dataDir });
    expect(await first.kill()).toEqual({ code: null, signal: 'SIGKILL' });
    const second = await startServer({ dataDir });
    expect(await answers(second.url)).toBe(200);
  });

  test('fails with the words of a server that does not start', async () => {
    await expect(startServer({ args: ['--no-such-option'] })).rejects.toThrow(/ended with code [1-9].*no-such-option/s);
  });
});
