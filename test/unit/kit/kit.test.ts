/** The test kit itself, where it does not need a server (see test/integration/kit.test.ts for that). */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { freePort, hasCommand, lacking, seed, seededRandom, tempDir, waitFor, withSeed } from '#kit';

describe('tempDir', () => {
  let folder = '';

  test('makes a folder that can be written to', async () => {
    folder = await tempDir();
    await writeFile(join(folder, 'file'), 'text');
    expect(existsSync(join(folder, 'file'))).toBe(true);
  });

  test('has removed it, with what it held, once that test is over', () => {
    expect(folder).not.toBe('');
    expect(existsSync(folder)).toBe(false);
  });
});

test('freePort names a port that can be listened on', async () => {
  const port = await freePort();
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  expect(server.address()).toMatchObject({ port });
  await new Promise((resolve) => server.close(resolve));
});

describe('waitFor', () => {
  test('answers what the condition answers in the end', async () => {
    let looks = 0;
    expect(await waitFor(() => (++looks === 3 ? 'third' : undefined), { what: 'a third look' })).toBe('third');
  });

  test('takes a condition that throws as not yet true', async () => {
    let looks = 0;
    const condition = () => {
      if (++looks < 3) throw new Error('not yet');
      return looks;
    };
    expect(await waitFor(condition, { what: 'an end of errors' })).toBe(3);
  });

  test('fails with the name of the condition and its last error', async () => {
    const cause = new Error('closed');
    const condition = () => Promise.reject(cause);
    const waiting = waitFor(condition, { what: 'the door', timeoutMs: 30 });
    await expect(waiting).rejects.toMatchObject({ message: 'waited 30 ms for the door', cause });
  });
});

describe('the seed', () => {
  test('is one for the whole file and goes to fast-check with its other parameters', () => {
    expect(withSeed({ numRuns: 7 })).toEqual({ numRuns: 7, seed: seed() });
  });

  test('gives the same numbers again, from 0 to below 1, and others for another seed', () => {
    const draw = (from: number) => Array.from({ length: 1000 }, seededRandom(from));
    const numbers = draw(41);
    expect(draw(41)).toEqual(numbers);
    expect(draw(42)).not.toEqual(numbers);
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
    expect(new Set(numbers).size).toBeGreaterThan(990);
  });
});

test('knows which commands are there, and says what is lacking', () => {
  expect(hasCommand('sh')).toBe(true);
  expect(hasCommand('no-such-command-anywhere')).toBe(false);
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  expect(lacking('sh')).toBe(false);
  expect(said).not.toHaveBeenCalled();
  expect(lacking('sh', 'no-such-command-anywhere')).toBe(true);
  expect(said).toHaveBeenCalledWith('tests skip here, they need: no-such-command-anywhere\n');
  said.mockRestore();
});
