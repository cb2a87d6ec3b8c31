/**
 * The layer rule bites: the linter, with this repository's configuration, is given files that break it and files
 * that keep it. What src/README.md says a layer may import is what the configuration lets it import.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempDir } from '#kit';
import { read, root, table } from './sources.ts';

const RULE = 'lint/style/noRestrictedImports';

interface Rules {
  style?: { noRestrictedImports: { options: { patterns: { group: string[] }[] } } };
}

const FORBIDDEN: Record<string, string> = {
  'src/log/relative.ts': "import { a } from '../kernel/index.ts';",
  'src/log/roundabout.ts': "import { a } from './../kernel/index.ts';",
  'src/log/layer.ts': "import { a } from '#server';",
  'src/log/package.ts': "import { a } from 'lmdb';",
  'src/log/scoped-package.ts': "import { a } from '@some/package';",
  'src/log/type.ts': "import type { a } from '#server';",
  'src/log/dynamic.ts': "export const b = await import('#server');",
  'src/log/again.ts': "export { a } from '#server';",
  'src/log/effect.ts': "import '#server';",
  'src/log/deep.ts': "import { a } from '#kernel/errors';",
  'src/log/own-deep.ts': "import { a } from '#log/memory';",
  'src/kernel/upwards.ts': "import { a } from '#record';",
  'src/record/codec.ts': "import { a } from 'node:zlib';",
  'src/client/node.ts': "import { a } from 'node:fs';",
  'src/client/log.ts': "import { a } from '#log';",
  'src/processing/store.ts': "import { a } from 'lmdb';",
  'src/processing/server.ts': "import { a } from '#server';",
  'src/processing/state/upwards.ts': "import { a } from '../../log/index.ts';",
  'src/processing/state/layer.ts': "import { a } from '#engine-lmdb';",
  'src/transform/record.ts': "import { a } from '#record';",
  'src/transform/dates/log.ts': "import { a } from '#log';",
  'src/schema/resource.ts': "import { a } from '#resource';",
  'src/schema/package.ts': "import { a } from 'zod';",
  'src/resource/schema.ts': "import { a } from '#schema';",
  'src/resource/engine.ts': "import { a } from '#engine-lmdb';",
  'src/server/store.ts': "import { a } from 'lmdb';",
  'src/server/engine.ts': "import { a } from '#engine-lmdb';",
  'src/oauth/server.ts': "import { a } from '#server';",
  'src/oauth/gateway.ts': "import { a } from '#gateway';",
  'src/gateway/sync.ts': "import { a } from '#sync';",
  'src/gateway/server.ts': "import { a } from '#server';",
  'src/workflow/gateway.ts': "import { a } from '#gateway';",
  'src/workflow/engine/server.ts': "import { a } from '#server';",
  'src/sync/server.ts': "import { a } from '#server';",
  'src/sync/job/gateway.ts': "import { a } from '#gateway';",
  'src/cli/store.ts': "import { a } from 'lmdb';",
  'src/cli/relative.ts': "import { a } from '../server/index.ts';",
  'src/server/http/upwards.ts': "import { a } from '../../log/index.ts';",
  'src/server/http/far.ts': "import { a } from '../../../src/log/index.ts';",
  'src/server/http/layer.ts': "import { a } from '#engine-lmdb';",
  'src/main.ts': "import { a } from './server/index.ts';",
  'src/composition.ts': "import { a } from './server/index.ts';",
  'src/connector/log.ts': "import { a } from '#log';",
  'src/connector/worker/system.ts': "import { a } from 'pg';",
  'connectors/shop/log.ts': "import { a } from '#log';",
  'bench/inner.ts': "import { a } from '../src/log/memory.ts';",
  'test/integration/inner.ts': "import { a } from '../../src/log/memory.ts';",
};

const ALLOWED: Record<string, string> = {
  'src/main.ts': "export const a = import('./composition.ts');",
  'src/kernel/own.ts': "import { a } from './errors.ts';",
  'src/kernel/logger.ts': "import { a } from 'pino';",
  'src/record/codecs-node.ts': "import { a } from 'node:zlib';",
  'src/log/allowed.ts': "import { a } from '#record';",
  'src/log/node.ts': "import { a } from 'node:fs/promises';",
  'src/engine-lmdb/store.ts': "import { a } from 'lmdb';",
  'src/processing/pool.ts': "import { a } from 'piscina';",
  'src/processing/state/sibling.ts': "import { a } from '../operators/window.ts';",
  'src/workflow/definition/schema.ts': "import { a } from 'ajv/dist/2020.js';",
  'src/workflow/engine/sibling.ts': "import { a } from '../definition/document.ts';",
  'src/schema/languages.ts': "import { a } from 'protobufjs/ext/protojson.js';",
  'src/schema/drafts.ts': "import { a } from 'ajv/dist/2020.js';",
  'src/server/schemas/registry.ts': "import { a } from '#schema';",
  'src/server/socket.ts': "import { a } from 'uWebSockets.js';",
  'src/server/http/socket.ts': "import { a } from '../socket.ts';",
  'src/server/http/sibling.ts': "import { a } from '../produce/append.ts';",
  'src/transform/dates/sibling.ts': "import { a } from '../patterns/pattern.ts';",
  'src/transform/expressions/library.ts': "import { a } from 'jsonata';",
  'src/oauth/library.ts': "import { a } from 'jose';",
  'src/oauth/resource.ts': "import { a } from '#resource';",
  'src/processing/transform.ts': "import { a } from '#transform';",
  'src/client/record.ts': "import { a } from '#record';",
  'src/sync/job/sibling.ts': "import { a } from '../worker/protocol.ts';",
  'src/sync/kinds/schedule.ts': "import { a } from 'croner';",
  'src/cli/everything.ts': "import { a } from '#engine-lmdb';",
  'src/connector/worker/contract.ts': "import { a } from '../contract.ts';",
  'connectors/shop/index.ts': "import { a } from '#connector';",
  'test/unit/log/inner.test.ts': "import { a } from '../../../src/log/memory.ts';",
};

/** The files, of those given, in which the linter finds a forbidden import. */
async function forbidden(files: Record<string, string>): Promise<string[]> {
  const folder = await tempDir();
  cpSync(join(root, '.biome.jsonc'), join(folder, '.biome.jsonc'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text.startsWith('import {') ? `${text}\nexport const b = a;\n` : `${text}\n`);
  }
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
  const args = [biome, 'lint', `--only=${RULE.slice(5)}`, '--reporter=json', '--max-diagnostics=none', '.'];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  if (!stdout.startsWith('{')) throw new Error(`no report: ${stderr}`);
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { category: string; location: { path: string } }[] };
  return diagnostics.filter(({ category }) => category === RULE).map(({ location }) => location.path);
}

/** What the configuration lets each layer import, of the layers that are there, by the layer's name. */
function configured(known: readonly string[]): Record<string, string[]> {
  const json = read('.biome.jsonc').replace(/^\s*\/\/.*$/gm, '');
  const { overrides } = JSON.parse(json) as { overrides: { includes: string[]; linter?: { rules: Rules } }[] };
  const found: Record<string, string[]> = {};
  for (const { includes, linter } of overrides) {
    const layer = /^src\/([\w-]+)\/\*\*$/.exec(includes[0] as string)?.[1] ?? '';
    const group = linter?.rules.style?.noRestrictedImports.options.patterns[0]?.group ?? [];
    if (known.includes(layer) && group[0] === '**') {
      found[layer] = known.filter((name) => group.includes(`!#${name}`)).sort();
    }
  }
  return found;
}

describe('the layer rule', () => {
  test('refuses every way to import what a layer may not', async () => {
    expect((await forbidden(FORBIDDEN)).sort()).toEqual(Object.keys(FORBIDDEN).sort());
  });

  test('lets a layer import what it may', async () => {
    expect(await forbidden(ALLOWED)).toEqual([]);
  });

  test('is what src/README.md says', () => {
    const rows = table(read('src/README.md'), '## Layers').map((row) => row.map((cell) => cell.replaceAll('`', '')));
    const bounded = rows.filter(([, , may]) => may !== 'everything');
    const written = bounded.map(([name, , may]) => [name, (may ?? '').split(' ').filter(Boolean).sort()]);
    expect(Object.fromEntries(written)).toEqual(configured(rows.map(([name]) => name as string)));
  });
});
