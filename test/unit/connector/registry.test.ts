/** Where connectors are found, and which of two with one name counts. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resolveLimits } from '#kernel';
import { tempDir } from '#kit';
import { ConnectorRegistry } from '../../../src/connector/registry.ts';

async function install(folder: string, name: string, file: object): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, 'package.json'), JSON.stringify(file));
}

it('finds installed packages by their keyword, and the folder of the user before them', async () => {
  const [packages, folder] = [await tempDir(), await tempDir()];
  const keywords = ['sluice-connector'];
  await install(packages, 'sluice-connector-shop', { keywords, main: 'lib/shop.js' });
  await install(packages, '@acme/sluice-connector-crm', { keywords, exports: { '.': { default: './dist/crm.js' } } });
  await install(packages, 'sluice-connector-none', { keywords: ['other'] });
  await install(packages, 'express', { keywords });
  await writeFile(join(packages, 'stray'), 'no folder');
  await mkdir(join(packages, 'sluice-connector-damaged'));
  await writeFile(join(packages, 'sluice-connector-damaged', 'package.json'), '{');
  await mkdir(join(folder, 'shop'));
  await writeFile(join(folder, 'shop', 'index.mjs'), '');
  await mkdir(join(folder, 'empty'));
  const only = await new ConnectorRegistry(undefined, resolveLimits(), [packages]).list();
  expect(only.map(({ name, origin }) => [name, origin])).toEqual([
    ['crm', 'package'],
    ['shop', 'package'],
  ]);
  expect(only.map(({ module }) => module.replace(/^.*\/sluice-connector-/, ''))).toEqual([
    'crm/dist/crm.js',
    'shop/lib/shop.js',
  ]);
  const both = await new ConnectorRegistry(folder, resolveLimits(), [packages, join(packages, 'none')]).list();
  expect(both.map(({ name, origin }) => [name, origin])).toEqual([
    ['crm', 'package'],
    ['shop', 'folder'],
  ]);
});
