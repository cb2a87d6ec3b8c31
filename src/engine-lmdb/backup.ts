/**
 * A backup is a store: the sealed segments copied as files, the catalog from one snapshot of its
 * environment. Restoring is starting a server on a copy of the folder.
 */
import { constants, existsSync, readdirSync } from 'node:fs';
import { copyFile, mkdir, open, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SluiceError } from '#kernel';
import type { Catalog } from './catalog.ts';
import type { Segments } from './segments.ts';

/** Called while nothing removes or rewrites segments and all but the active one are sealed. @throws CONFIG_INVALID */
export async function backUp(directory: string, segments: Segments, catalog: Catalog): Promise<void> {
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw new SluiceError('CONFIG_INVALID', `${directory} is not empty`);
  }
  const folder = join(directory, 'segments');
  await mkdir(folder, { recursive: true });
  const sealed = segments.list.filter((segment) => segment.sealed);
  await catalog.fold();
  await catalog.copyTo(join(directory, 'meta.mdb'));
  for (const segment of sealed) {
    const copy = join(folder, basename(segment.path));
    await copyFile(segment.path, copy, constants.COPYFILE_FICLONE);
    await syncFile(copy);
  }
  await copyFile(join(dirname(segments.directory), 'store.json'), join(directory, 'store.json'));
  await writeFile(
    join(directory, 'backup.json'),
    `${JSON.stringify({ segments: sealed.length, at: new Date().toISOString() })}\n`,
  );
  await syncFile(folder);
  await syncFile(directory);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  await file.sync();
  await file.close();
}
