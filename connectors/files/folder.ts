/** A folder of this machine as a store of files. Links are not followed: no name leads out of the folder. */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { type FileStore, isFileName, SluiceError, type StoredFile } from '#connector';

/** What is being written; never listed. */
const PARTIAL = '.partial';

export function folderStore(root: string): FileStore {
  /** The path of a name, none of whose folders is a link; undefined where one is. */
  const linkless = async (name: string): Promise<string | undefined> => {
    let path = root;
    for (const part of name.split('/').slice(0, -1)) {
      path = join(path, part);
      if ((await lstat(path).catch(unlessMissing))?.isSymbolicLink() === true) return undefined;
    }
    return join(root, name);
  };
  const inside = async (name: string): Promise<string> => {
    const path = await linkless(name);
    if (path === undefined) throw new SluiceError('RECORD_REJECTED', `${name} leads through a link`);
    return path;
  };
  return {
    check: async () => {
      if ((await stat(root)).isDirectory()) return;
      throw new SluiceError('ENDPOINT_UNREACHABLE', `${root} is no folder`);
    },
    list: (prefix) => list(root, prefix),
    find: async (name) => {
      const path = isFileName(name) ? await linkless(name) : undefined;
      const found = path === undefined ? undefined : await lstat(path).catch(unlessMissing);
      return found?.isFile() === true ? stored(name, found.size, found.mtime) : undefined;
    },
    open: ({ name }, from, to) =>
      createReadStream(join(root, name), { start: from, ...(to === undefined ? {} : { end: to - 1 }) }),
    append: async (name, bytes) => {
      const file = await open(await inside(name), 'a');
      try {
        await file.appendFile(bytes);
        await file.datasync();
      } finally {
        await file.close();
      }
    },
    put: async (name, bytes) => {
      const path = await inside(name);
      await mkdir(dirname(path), { recursive: true });
      const partial = join(dirname(path), `.${randomBytes(6).toString('hex')}${PARTIAL}`);
      const file = await open(partial, 'wx');
      try {
        await file.writeFile(bytes);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(partial, path).catch(async (error: unknown) => {
        await rm(partial, { force: true });
        throw error;
      });
    },
    remove: async (name) => {
      await rm(await inside(name), { force: true });
    },
    close: async () => undefined,
  };
}

async function* list(root: string, prefix: string): AsyncGenerator<StoredFile> {
  const below = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const entries = await readdir(join(root, below), { recursive: true, withFileTypes: true }).catch(
    below === '' ? rethrow : unlessMissing,
  );
  for (const entry of entries ?? []) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(root, path).split(sep).join('/');
    if (!entry.isFile() || !name.startsWith(prefix) || name.endsWith(PARTIAL)) continue;
    const found = await lstat(path).catch(unlessMissing);
    if (found !== undefined) yield stored(name, found.size, found.mtime);
  }
}

function stored(name: string, size: number, modified: Date): StoredFile {
  return { name, size, modified: modified.toISOString() };
}

function unlessMissing(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw error;
}

function rethrow(error: unknown): never {
  throw error;
}
