/** The catalogue of connectors is what the folders say, and each folder passes the suite. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkConnector, describeConnector } from '#connector';
import { read, root, table } from './sources.ts';

const folders = readdirSync(join(root, 'connectors'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

test('connectors are all in their catalogue, with what they can do', async () => {
  const declared = await Promise.all(
    folders.map(async (name) => {
      const module = (await import(join(root, 'connectors', name, 'index.ts'))) as { default: unknown };
      const { types, proof, can } = describeConnector(checkConnector(module.default, name));
      return [`\`${name}\``, types.join(' '), proof, can.join(' ')];
    }),
  );
  expect(table(read('connectors/README.md'), '## Catalogue')).toEqual(declared);
});

test('every connector is held to a suite of the kit', () => {
  const untested = folders.filter((name) => {
    const path = `test/contract/connectors/${name}.test.ts`;
    return !existsSync(join(root, path)) || !/\b((connector|file|http|queue|spec)Suite|mannersOf)\(/.test(read(path));
  });
  expect(untested).toEqual([]);
});
