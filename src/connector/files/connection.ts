/** The connection of every connector of files: its store of files, and what all of them do with one. */
import { SluiceError } from '#kernel';
import { coding } from '../coding.ts';
import type { Capability, Connection } from '../contract.ts';
import { requireFields } from '../keyset.ts';
import { discoverStreams, type Found, findStream } from './discovery.ts';
import { kindOf } from './formats.ts';
import { readFile } from './reading.ts';
import { readSet } from './sets.ts';
import type { FileSettings, FileStore } from './store.ts';
import { lookupWhole, readWhole, writeWhole } from './whole.ts';
import { appendToFile, appendToSet } from './writing.ts';

/**
 * @param coded what an error of the store's library means
 * @throws ENDPOINT_INVALID where the settings contradict themselves
 */
export function fileConnection(
  store: FileStore,
  settings: FileSettings,
  coded: (error: unknown) => unknown,
): Connection {
  const { sets, whole } = settings;
  if (whole !== undefined && Object.hasOwn(sets, whole)) {
    throw new SluiceError('ENDPOINT_INVALID', `config.whole: ${whole} is a set too`, { field: 'config.whole' });
  }
  for (const [name, pattern] of Object.entries(sets)) {
    if (kindOf(pattern) !== undefined) continue;
    throw new SluiceError('ENDPOINT_INVALID', `config.sets.${name}: ${pattern} does not end as a known format does`, {
      field: `config.sets.${name}`,
    });
  }
  const named = coding(coded);
  return {
    check: () => named(store.check()),
    discover: () => named(discoverStreams(store, settings)),
    read: async function* (request) {
      try {
        const found = await findStream(store, settings, request.stream);
        requireAbility(found, request.mode);
        if (found.of === 'file') yield* readFile(store, settings, found, request);
        else if (found.of === 'set') yield* readSet(store, settings, found, request);
        else yield* readWhole(store, settings, request);
      } catch (error) {
        throw coded(error);
      }
    },
    lookup: (stream, fields, keys) =>
      named(
        (async () => {
          const found = await findStream(store, settings, stream);
          if (found.of === 'whole' && fields.length === 1 && fields[0] === 'name') {
            return lookupWhole(store, settings, keys);
          }
          requireFields(found.stream, fields);
          throw new SluiceError(
            'ENDPOINT_UNSUPPORTED',
            `records of ${stream} cannot be looked up by ${fields.join(', ')}`,
          );
        })(),
      ),
    write: (request, records) =>
      named(
        (async () => {
          const found = await findStream(store, settings, request.stream);
          requireAbility(found, request.mode);
          if (found.of === 'whole') return writeWhole(store, request.mode, records);
          if (found.of === 'set') return appendToSet(store, settings, found, records);
          return appendToFile(store, settings, found, records);
        })(),
      ),
    close: () => store.close(),
  };
}

function requireAbility({ stream: { name, can } }: Found, wanted: Capability): void {
  if (can.includes(wanted)) return;
  throw new SluiceError('ENDPOINT_UNSUPPORTED', `${name} can ${can.join(', ')}, not ${wanted}`);
}
