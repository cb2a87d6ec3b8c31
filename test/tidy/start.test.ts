/**
 * What starts does not carry what it may never need. Libraries that serve one feature are loaded where the feature is first
 * declared, by `require`; the layer rule, which does not look at `require`, sees them by the type that the file imports.
 */
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { breaches, read, typescript } from './sources.ts';

/** An import or a re-export of values, and what it names. */
const IMPORTED = /^(?:import|export)\s+(?!type\b)(?:(?:\*|\*\s+as\s+\w+|[\w\s,{}*]+?)\s+from\s+)?'([^']+)';$/gms;
const REQUIRED = /\brequire\('([^']+)'\)/g;

/** With each file that it loads, `@scope/name` of what it loads from node_modules. */
function packagesOf(entry: string): string[] {
  const found = new Set<string>();
  const seen = new Set<string>();
  const follow = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const [statement, name = ''] of read(path).matchAll(IMPORTED)) {
      if (/^\w+\s+\{(\s*type \w+( as \w+)?,?)*\s*\}/.test(statement)) continue;
      if (name.startsWith('.')) follow(join(dirname(path), name));
      else if (name.startsWith('#')) follow(ours(name));
      else if (!name.startsWith('node:')) found.add(/^(@[^/]+\/)?[^/]+/.exec(name)?.[0] as string);
    }
  };
  follow(entry);
  return [...found].sort();
}

function ours(name: string): string {
  const { imports } = JSON.parse(read('package.json')) as { imports: Record<string, { source: string }> };
  return imports[name]?.source.slice(2) ?? `src/${name.slice(1)}/index.ts`;
}

describe('no more is loaded', () => {
  const RECORDS = ['@node-rs/crc32', 'pino', 'snappyjs'];

  test('by a command that asks a server', () => {
    expect(packagesOf('src/main.ts')).toEqual([...RECORDS, 'commander', 'msgpackr'].sort());
  });

  test('by a server that nothing is declared on', () => {
    const needed = ['@eslint-community/regexpp', 'lmdb', 'msgpackr', 'uWebSockets.js', 'zod'];
    expect(packagesOf('src/composition.ts')).toEqual([...RECORDS, ...needed].sort());
  });

  test('by a listener thread of the gateway without routes', () => {
    const needed = ['@eslint-community/regexpp', 'uWebSockets.js', 'zod'];
    expect(packagesOf('src/gateway/proxy/listener.ts')).toEqual([...RECORDS, ...needed].sort());
  });
});

test('what is required is imported as a type by the same file, where the layer rule sees it', () => {
  const unseen = ({ text }: { text: string }) =>
    [...text.matchAll(REQUIRED)]
      .map(([, name]) => name)
      .find((name) => !text.includes(` from '${name?.replace(/^(\..*)\.js$/, '$1.ts')}';`));
  const files = typescript('src', 'connectors').filter(({ text }) => text.includes('createRequire('));
  expect(files).not.toEqual([]);
  expect(breaches(files, unseen)).toEqual([]);
});
