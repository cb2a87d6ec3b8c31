/**
 * The source half of a job, on its thread: asks the connector for pages, and makes record batches of them. A page of `pages` is
 * read ahead while the one before is being committed; a page of `changes` is asked for only when the one before is on the disk,
 * since asking lets the system forget it.
 */
import type { Change, ChangePage, Connection, Json, Page, Stream } from '#connector';
import { SluiceError } from '#kernel';
import { type ChangeRecord, encodeChange, keyText } from '../change-record.ts';
import { Batches } from './batches.ts';
import type { BeginInput, LostRecord, SourcePage, SourceStream } from './protocol.ts';

interface Described {
  readonly stream: Stream;
  readonly keys: readonly string[];
}

export class Source {
  readonly #connection: Connection;
  readonly #input: BeginInput;
  readonly #batches: Batches;
  readonly #described = new Map<string, Described>();
  readonly #pages: AsyncGenerator<SourcePage>;
  #ahead: Promise<IteratorResult<SourcePage>> | undefined;
  #lost: LostRecord[] = [];

  private constructor(connection: Connection, input: BeginInput) {
    this.#connection = connection;
    this.#input = input;
    this.#batches = new Batches(input.partitions, input.limits);
    this.#pages = input.kind === 'pages' ? this.#readStreams() : this.#readChanges();
  }

  /** @throws ENDPOINT_STREAM_UNKNOWN, ENDPOINT_UNSUPPORTED, and as `discover` */
  static async open(connection: Connection, input: BeginInput): Promise<Source> {
    const source = new Source(connection, input);
    source.#describe(await connection.discover());
    for (const { name } of input.streams) source.#find(name);
    return source;
  }

  /** Null: there is nothing more. */
  async page(): Promise<SourcePage | null> {
    const step = await (this.#ahead ?? this.#pages.next());
    this.#ahead = undefined;
    if (step.done === true) return null;
    if (this.#input.kind === 'pages') {
      this.#ahead = this.#pages.next();
      // It is met by whoever asks for it.
      this.#ahead.catch(() => undefined);
    }
    return step.value;
  }

  async close(): Promise<void> {
    // A read that hangs must not keep the thread from ending.
    void this.#pages.return(undefined).catch(() => undefined);
  }

  #describe(streams: readonly Stream[]): void {
    for (const stream of streams) {
      const asked = this.#input.streams.find(({ name }) => name === stream.name);
      if (asked === undefined) continue;
      // Its own key is in every image; what identifies it at the target need not be in that of a deletion.
      this.#described.set(stream.name, { stream, keys: stream.primaryKey.length > 0 ? stream.primaryKey : asked.keys });
    }
  }

  #find(name: string): Described {
    const found = this.#described.get(name);
    if (found !== undefined) return found;
    throw new SluiceError('ENDPOINT_STREAM_UNKNOWN', `the source has no stream ${name}`, { name });
  }

  async *#readStreams(): AsyncGenerator<SourcePage> {
    for (const asked of this.#input.streams) {
      const { state, done } = this.#input.states[asked.name] ?? {};
      if (done === true) continue;
      let last = state;
      for await (const page of this.#pagesOf(asked, state)) {
        last = page.state;
        yield this.#encodePage(asked.name, page);
      }
      // A read ends with the page that tells of its end, also where there was no record.
      // Where a full read ended is no place for the next one.
      const streamState = last === undefined || asked.mode === 'full' ? { done: true } : { state: last, done: true };
      yield { ...this.#taken(0, 0, null), stream: asked.name, streamState };
    }
  }

  #pagesOf({ name, mode, cursor }: SourceStream, state: Json | undefined): AsyncIterable<Page> {
    const { stream } = this.#find(name);
    if (this.#connection.read === undefined || !stream.can.includes(mode)) {
      throw new SluiceError('ENDPOINT_UNSUPPORTED', `${name} cannot be read in mode ${mode}`, { stream: name });
    }
    return this.#connection.read({
      stream: name,
      mode,
      ...(cursor === undefined ? {} : { cursor }),
      ...(state === undefined ? {} : { state }),
      pageRecordsMax: this.#input.pageRecords,
    });
  }

  #encodePage(name: string, { records, state }: Page): SourcePage {
    const { keys } = this.#find(name);
    const now = Date.now();
    const { run } = this.#input;
    for (const after of records) this.#add(keyText(name, keys, after), { stream: name, op: 'read', after, run }, now);
    return { ...this.#taken(records.length, 0, null), stream: name, streamState: { state } };
  }

  async *#readChanges(): AsyncGenerator<SourcePage> {
    const { streams, snapshot, state, consumer, pageRecords: pageRecordsMax } = this.#input;
    const changes = this.#connection.changes?.({
      streams: streams.map(({ name }) => name),
      snapshot,
      ...(state === undefined ? {} : { state }),
      pageRecordsMax,
      consumer,
    });
    if (changes === undefined) {
      throw new SluiceError('ENDPOINT_UNSUPPORTED', 'the connector cannot tell what changes');
    }
    for await (const page of changes) yield this.#encodeChanges(page);
  }

  #encodeChanges({ changes, state, streams }: ChangePage): SourcePage {
    if (streams !== undefined) this.#describe(streams);
    let newestAt = 0;
    for (const change of changes) {
      const at = Date.parse(change.at);
      if (at > newestAt) newestAt = at;
      const { keys } = this.#find(change.stream);
      // A truncation is of all keys, so that no partition may miss it.
      const image = change.after ?? change.before;
      const key = image === null ? null : keyText(change.stream, keys, image);
      const record = recordOf(change, this.#input.run);
      if (change.op === 'truncate') this.#addEverywhere(record, at);
      else this.#add(key, record, at);
    }
    const position = changes.at(-1)?.position ?? null;
    return { ...this.#taken(changes.length, newestAt, position), state };
  }

  #add(key: string | null, record: ChangeRecord, timestamp: number): void {
    const added = this.#batches.add(key, encodeChange(record), timestamp);
    if (!added) this.#lost.push({ key, message: 'the record is larger than the log takes' });
  }

  /** Without a key it goes to the partitions in turn: to each once. */
  #addEverywhere(record: ChangeRecord, timestamp: number): void {
    for (let i = 0; i < this.#input.partitions; i++) this.#add(null, record, timestamp);
  }

  #taken(records: number, newestAt: number, position: string | null): SourcePage {
    const { bytes } = this.#batches;
    const lost = this.#lost;
    this.#lost = [];
    const batches = this.#batches.take();
    return { batches, records, bytes, lost, stream: null, streamState: null, state: null, newestAt, position };
  }
}

function recordOf(change: Change, run: number): ChangeRecord {
  const { stream, op, before, after, unchanged, at, position, origin } = change;
  const record: Record<string, unknown> = { stream, op };
  if (after !== null) record['after'] = after;
  if (before !== null) record['before'] = before;
  if (unchanged !== undefined && unchanged.length > 0) record['unchanged'] = unchanged;
  record['at'] = at;
  record['position'] = position;
  if (origin !== undefined) record['origin'] = origin;
  record['run'] = run;
  return record as unknown as ChangeRecord;
}
