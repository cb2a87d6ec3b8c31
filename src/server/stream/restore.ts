/** The streams a log holds when the server starts, forks joined to their sources. Called by `Streams`, once. */
import { type Clock, SluiceError } from '#kernel';
import type { Log } from '#log';
import { parseDocument, STREAM_SPACE, type StreamDocument } from './document.ts';
import { Stream } from './stream.ts';

const SCAN = 50_000;

/** @throws STORE_CORRUPT, TOPIC_UNKNOWN, PARTITION_UNKNOWN where a document speaks of what is not there */
export function restoreStreams(log: Log, clock: Clock): Map<string, Stream> {
  const documents = new Map<string, StreamDocument>();
  for (const [path, bytes] of stored(log)) documents.set(path, parseDocument(bytes));
  const streams = new Map<string, Stream>();
  const now = clock.now();
  // As deep as forks of forks may go.
  const restore = (path: string): Stream => {
    const known = streams.get(path);
    if (known !== undefined) return known;
    const document = documents.get(path);
    if (document === undefined) throw new SluiceError('STORE_CORRUPT', `the stream ${path} has forks and is missing`);
    const source = document.fork === null ? undefined : restore(document.fork.source);
    const stream = new Stream(path, document, log.partition(document.topic, document.partition), source);
    if (source !== undefined) source.forks++;
    stream.restoreUse(now);
    streams.set(path, stream);
    return stream;
  };
  for (const path of documents.keys()) restore(path);
  return streams;
}

function* stored(log: Log): Iterable<[path: string, document: Uint8Array]> {
  let from = '';
  for (;;) {
    const found = log.scanState(STREAM_SPACE, from, SCAN);
    const fresh = found.filter(([path]) => path !== from);
    yield* fresh;
    const last = fresh.at(-1);
    if (found.length < SCAN || last === undefined) return;
    from = last[0];
  }
}
