/** Many files as one stream: their records file after file. */
import type { Page, ReadRequest } from '../contract.ts';
import { type Found, filesOf } from './discovery.ts';
import { Progress } from './progress.ts';
import { pagesOfFile } from './reading.ts';
import type { FileSettings, FileStore } from './store.ts';

export async function* readSet(
  store: FileStore,
  settings: FileSettings,
  found: Extract<Found, { of: 'set' }>,
  { mode, state, pageRecordsMax }: ReadRequest,
): AsyncGenerator<Page> {
  const progress = new Progress(mode, state);
  for (const file of await progress.pending(filesOf(store, found.pattern))) {
    let held: Page | undefined;
    const pages = pagesOfFile(store, settings, found, file, progress.from(file), pageRecordsMax);
    for await (const { records, next } of pages) {
      if (held !== undefined) yield held;
      held = { records, state: progress.within(file, next) };
    }
    // With its last page a file is done.
    yield { records: held?.records ?? [], state: progress.behind(file) };
  }
}
