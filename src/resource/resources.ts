/**
 * Everything a person configures, as versioned documents: check, apply, record, look back, go back.
 *
 *   put ─▶ schema ─▶ version asked for? ─▶ kind.check ─▶ kind.apply
 *       ─▶ one commit: sys.resources (the state) + sys.audit (the history) + kind.changes ─▶ kind.committed, listeners
 *
 * `sys.resources` is compacted: key `kind/name`, the last document of each. `sys.audit` keeps every change with who
 * and when; it is a topic of its own because compaction would eat the history. Changes run one after the other, so a
 * version check cannot be overtaken.
 */
import { z } from 'zod';
import { type Clock, decodeUtf8, encodeUtf8, SluiceError } from '#kernel';
import type { Log, Partition } from '#log';
import { encodeBatch, iterateBatches, iterateRecords, type LogRecord } from '#record';
import { type Change, type Document, diffSpecs, type HistoryEntry, type Kind, type Spec } from './document.ts';

const STATE_TOPIC = 'sys.resources';
const AUDIT_TOPIC = 'sys.audit';
const READ_BYTES = 1024 * 1024;
const NAME = /^[A-Za-z0-9._-]{1,249}$/;

export interface ChangeOptions {
  /** Who asks; null while keys are not required. */
  readonly by: string | null;
  /** The version the caller has seen; another one is refused. */
  readonly ifMatch?: number | undefined;
}

/** Told of each change that is on the disk; `document` is undefined after a deletion. Must not throw. */
export type ChangeListener = (kind: string, name: string, document: Document | undefined) => void;

interface AuditRecord extends HistoryEntry {
  readonly kind: string;
  readonly name: string;
}

export class Resources {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #kinds = new Map<string, Kind>();
  readonly #documents = new Map<string, Document>();
  readonly #counts = new Map<string, number>();
  readonly #history = new Map<string, HistoryEntry[]>();
  readonly #listeners = new Set<ChangeListener>();
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(log: Log, clock: Clock, kinds: readonly Kind[]) {
    this.#log = log;
    this.#clock = clock;
    for (const kind of kinds) this.#kinds.set(kind.kind, kind);
  }

  /** Creates the topics it needs where they are missing, and reads what they hold. */
  static async open(log: Log, clock: Clock, kinds: readonly Kind[]): Promise<Resources> {
    const resources = new Resources(log, clock, kinds);
    if (log.findTopic(STATE_TOPIC) === undefined) await log.createTopic(STATE_TOPIC, { cleanup: 'compact' });
    if (log.findTopic(AUDIT_TOPIC) === undefined) await log.createTopic(AUDIT_TOPIC);
    for (const { key, value } of readAll(log.partition(STATE_TOPIC, 0))) {
      const place = decodeUtf8(key ?? new Uint8Array());
      resources.#keep(place, value === null ? undefined : (JSON.parse(decodeUtf8(value)) as Document));
    }
    for (const { value } of readAll(log.partition(AUDIT_TOPIC, 0))) {
      const { kind, name, ...entry } = JSON.parse(decodeUtf8(value ?? new Uint8Array())) as AuditRecord;
      resources.#remember(placeOf(kind, name), entry);
    }
    return resources;
  }

  kinds(): Kind[] {
    return [...this.#kinds.values()];
  }

  /** @param plural as in paths, or the kind's own name @throws KIND_UNKNOWN */
  kind(plural: string): Kind {
    const found = this.kinds().find((kind) => kind.plural === plural || kind.kind === plural);
    if (found === undefined) throw new SluiceError('KIND_UNKNOWN', `there is no kind ${plural}`);
    return found;
  }

  /** JSON Schema of a kind's spec. */
  jsonSchema(kind: string): Record<string, unknown> {
    return z.toJSONSchema(this.kind(kind).schema, { io: 'input' }) as Record<string, unknown>;
  }

  find(kind: string, name: string): Document | undefined {
    return this.#documents.get(placeOf(kind, name));
  }

  /** @throws RESOURCE_UNKNOWN */
  get(kind: string, name: string): Document {
    const document = this.find(kind, name);
    if (document === undefined) throw new SluiceError('RESOURCE_UNKNOWN', `there is no ${kind} ${name}`);
    return document;
  }

  /** How many there are of a kind; asked with every request, so nothing is built for it. */
  count(kind: string): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** By name. */
  list(kind: string): Document[] {
    const documents = [...this.#documents.values()].filter((document) => document.kind === kind);
    return documents.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Oldest first. @throws RESOURCE_UNKNOWN when there never was one */
  history(kind: string, name: string): readonly HistoryEntry[] {
    const entries = this.#history.get(placeOf(kind, name));
    if (entries === undefined) throw new SluiceError('RESOURCE_UNKNOWN', `there is no ${kind} ${name}`);
    return entries;
  }

  /** The result ends it. */
  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The spec with defaults filled in. @throws RESOURCE_INVALID (details: `field`) */
  check(kindName: string, name: string, spec: unknown): Spec {
    const kind = this.kind(kindName);
    if (!NAME.test(name)) {
      throw new SluiceError('RESOURCE_INVALID', 'a name has 1 to 249 characters of A-Z a-z 0-9 . _ -', {
        field: 'name',
      });
    }
    const result = kind.schema.safeParse(spec);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    const field = issue?.path.join('.') ?? '';
    throw new SluiceError('RESOURCE_INVALID', `${field === '' ? 'the spec' : field}: ${issue?.message}`, { field });
  }

  /** What `put` would change, without doing it. @throws RESOURCE_INVALID, VERSION_CONFLICT, and as the kind's check */
  preview(kind: string, name: string, spec: unknown, ifMatch?: number): readonly Change[] {
    const checked = this.check(kind, name, spec);
    const current = this.find(kind, name);
    requireVersion(current, ifMatch);
    this.kind(kind).check?.(name, checked, this);
    return diffSpecs(current?.spec ?? {}, this.#recorded(kind, name, checked));
  }

  /** Creates or changes; the same spec again changes nothing. @throws RESOURCE_INVALID, VERSION_CONFLICT, and as the kind's check and apply */
  put(kind: string, name: string, given: unknown, options: ChangeOptions): Promise<Document> {
    return this.#exclusively(async () => {
      const checked = this.check(kind, name, given);
      const current = this.find(kind, name);
      requireVersion(current, options.ifMatch);
      const spec = this.#recorded(kind, name, checked);
      const changes = diffSpecs(current?.spec ?? {}, spec);
      if (current !== undefined && changes.length === 0) return current;
      this.kind(kind).check?.(name, checked, this);
      await this.kind(kind).apply?.(name, checked);
      const now = this.#clock.now();
      const version = (this.#history.get(placeOf(kind, name))?.at(-1)?.version ?? 0) + 1;
      const { by } = options;
      const document: Document = {
        kind,
        name,
        version,
        spec,
        createdAt: current?.createdAt ?? now,
        updatedAt: now,
        by,
      };
      const action = current === undefined ? 'created' : 'changed';
      await this.#record(kind, name, document, { version, action, spec, changes, at: now, by }, checked);
      return document;
    });
  }

  /** @throws RESOURCE_UNKNOWN, VERSION_CONFLICT */
  delete(kind: string, name: string, options: ChangeOptions): Promise<void> {
    return this.#exclusively(async () => {
      const current = this.get(kind, name);
      requireVersion(current, options.ifMatch);
      this.kind(kind).check?.(name, undefined, this);
      await this.kind(kind).remove?.(name);
      const version = current.version + 1;
      const entry = {
        version,
        action: 'deleted' as const,
        spec: null,
        changes: [],
        at: this.#clock.now(),
        by: options.by,
      };
      await this.#record(kind, name, undefined, entry);
    });
  }

  /** Makes the spec of an earlier version the newest one. @throws RESOURCE_UNKNOWN when there is no such version */
  rollback(kind: string, name: string, version: number, options: ChangeOptions): Promise<Document> {
    const entry = this.history(kind, name).find((one) => one.version === version);
    if (entry === undefined || entry.spec === null) {
      throw new SluiceError('RESOURCE_UNKNOWN', `${kind} ${name} has no version ${version} to go back to`);
    }
    return this.put(kind, name, entry.spec, options);
  }

  /** @param whole the spec with what is not kept of it */
  async #record(
    kind: string,
    name: string,
    document: Document | undefined,
    entry: HistoryEntry,
    whole?: Spec,
  ): Promise<void> {
    const place = placeOf(kind, name);
    const key = encodeUtf8(place);
    const value = document === undefined ? null : encodeUtf8(JSON.stringify(document));
    const now = this.#clock.now();
    const audit: AuditRecord = { kind, name, ...entry };
    const state = this.kind(kind).changes?.(name, whole) ?? [];
    await this.#log.commit({
      appends: [
        { partition: this.#log.partition(STATE_TOPIC, 0), batch: encodeBatch([{ key, value }], { now }) },
        {
          partition: this.#log.partition(AUDIT_TOPIC, 0),
          batch: encodeBatch([{ key, value: encodeUtf8(JSON.stringify(audit)) }], { now }),
        },
      ],
      state,
    });
    this.#keep(place, document);
    this.#remember(place, entry);
    this.kind(kind).committed?.(name);
    for (const listener of this.#listeners) listener(kind, name, document);
  }

  #recorded(kind: string, name: string, spec: Spec): Spec {
    return this.kind(kind).record?.(name, spec) ?? spec;
  }

  #keep(place: string, document: Document | undefined): void {
    const kind = place.slice(0, place.indexOf('/'));
    const had = this.#documents.delete(place) ? 1 : 0;
    if (document !== undefined) this.#documents.set(place, document);
    this.#counts.set(kind, this.count(kind) - had + (document === undefined ? 0 : 1));
  }

  #remember(place: string, entry: HistoryEntry): void {
    const entries = this.#history.get(place);
    if (entries === undefined) this.#history.set(place, [entry]);
    else entries.push(entry);
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(work, work);
    this.#changing = done.catch(() => undefined);
    return done;
  }
}

function placeOf(kind: string, name: string): string {
  return `${kind}/${name}`;
}

function requireVersion(current: Document | undefined, wanted: number | undefined): void {
  if (wanted === undefined || wanted === (current?.version ?? 0)) return;
  throw new SluiceError('VERSION_CONFLICT', `the version is ${current?.version ?? 0}, not ${wanted}`, {
    version: current?.version ?? 0,
  });
}

function* readAll(partition: Partition): Iterable<LogRecord> {
  const cursor = partition.cursor(partition.start);
  for (;;) {
    try {
      const chunk = cursor.next(READ_BYTES);
      if (chunk === null) return;
      for (const { at } of iterateBatches(chunk.bytes)) yield* iterateRecords(chunk.bytes, at);
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'BATCH_QUARANTINED') throw error;
      const { name } = partition.topic;
      // Without a document, and not knowing which, a server could be open that was closed; history only has a gap.
      if (name === STATE_TOPIC) throw new SluiceError('STORE_CORRUPT', `${name} is damaged`, error.details, error);
      cursor.seek(error.details['next'] as number);
    }
  }
}
