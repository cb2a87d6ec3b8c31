/** Secrets at rest: sealed to their key and their name, and a key that others could read is refused. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resolveLimits, systemClock } from '#kernel';
import { tempDir } from '#kit';
import { MemoryLog } from '#log';
import { openResources, secretKind, Vault } from '#resource';

async function vaultOf(log = new MemoryLog({ limits: resolveLimits(), clock: systemClock })) {
  const directory = await tempDir();
  const vault = new Vault(log, directory);
  const { resources } = await openResources(log, systemClock, [secretKind(vault)]);
  const put = (name: string, value: string) => resources.put('secret', name, { value }, { by: null });
  return { log, vault, resources, directory, put };
}

it('gives back what was put, and nothing after it was deleted', async () => {
  const { vault, resources, put } = await vaultOf();
  await put('door', 'päss "word"\n');
  expect(vault.open('door')).toBe('päss "word"\n');
  expect(await put('door', 'päss "word"\n')).toMatchObject({ version: 1 });
  const changed = await put('door', 'other');
  expect(changed).toMatchObject({ version: 2 });
  expect(Object.keys(changed.spec)).toEqual(['mark']);
  expect(resources.preview('secret', 'door', { value: 'other' })).toEqual([]);
  await resources.delete('secret', 'door', { by: null });
  expect(() => vault.open('door')).toThrowError(expect.objectContaining({ code: 'SECRET_UNKNOWN' }));
});

it('does not take the bytes of one secret for another, nor changed ones', async () => {
  const { log, vault, put } = await vaultOf();
  await put('mine', 'low');
  await put('theirs', 'high');
  const sealed = log.getState('sys.secrets', 'theirs') as Uint8Array;
  expect(Buffer.from(sealed).toString('latin1')).not.toContain('high');
  await log.commit({ state: [{ space: 'sys.secrets', key: 'mine', value: sealed }] });
  expect(() => vault.open('mine')).toThrowError(expect.objectContaining({ code: 'SECRET_UNREADABLE' }));
  const bent = new Uint8Array(sealed);
  bent[bent.length - 1] = (bent.at(-1) as number) ^ 1;
  await log.commit({ state: [{ space: 'sys.secrets', key: 'theirs', value: bent }] });
  expect(() => vault.open('theirs')).toThrowError(expect.objectContaining({ code: 'SECRET_UNREADABLE' }));
});

it('refuses a key file that others can read, or that holds no key', async () => {
  const { log, directory, put } = await vaultOf();
  await put('door', 'x');
  const file = join(directory, 'secret.key');
  const key = await readFile(file);
  await chmod(file, 0o640);
  const opened = () => new Vault(log, directory).open('door');
  expect(opened).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  await chmod(file, 0o600);
  expect(opened()).toBe('x');
  await writeFile(file, 'short');
  expect(opened).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  await writeFile(file, Buffer.from(key.toString(), 'base64').toString('hex'));
  expect(opened()).toBe('x');
});
