/** The reader of the reference engine: its extents carry the bytes themselves. Loaded by `openReader`. */
import type { Chunk } from './contract.ts';
import type { Extent, LogReader, StateExtent } from './reader.ts';
import { iterateStateBlock } from './state-block.ts';

/** Batches with where each begins and ends. */
export type MemoryExtentSource = readonly Chunk[];

export function openLogReader(): LogReader {
  return {
    chunks: ({ source }: Extent) => source as MemoryExtentSource,
    *state({ source }: StateExtent) {
      for (const [key, value] of iterateStateBlock(source as Uint8Array)) if (value !== null) yield [key, value];
    },
    close: async () => undefined,
  };
}
