/**
 * Which schemas there are: a number for each different one, and the versions of each subject.
 * A schema has one number in all subjects, and keeps it for ever, also when all its versions are deleted.
 *
 *   document of kind `schema` changes ─▶ check ─▶ changes: rows that go to the disk with the document, in one commit
 *                                                  ─▶ committed: the rows are read back
 *
 * So it never differs from the documents, and there is nothing to repair after a crash. Kept in the log's state, see
 * `registry-rows.ts`; in memory are the numbers, not the texts.
 */
import { type Limits, SluiceError } from '#kernel';
import type { Log, StateChange } from '#log';
import { type Incompatibility, incompatibilities, type Mode } from './compatibility.ts';
import { SchemaModes } from './modes.ts';
import { parseSchema } from './parse.ts';
import type { ValueCheck } from './parsed-schema.ts';
import {
  everything,
  readSchema,
  readVersion,
  SCHEMAS,
  schemaChange,
  schemaKey,
  VERSIONS,
  type VersionRow,
  versionChange,
  versionPrefix,
} from './registry-rows.ts';
import { resolveSource } from './resolve.ts';
import { fingerprintOf, type Reference, type ResolvedSource, type SchemaSource } from './source.ts';

export interface SchemaVersion extends SchemaSource {
  readonly subject: string;
  readonly version: number;
  readonly id: number;
}

/** What a subject is about to become. */
export interface Proposal extends SchemaSource {
  /** In place of what is configured. */
  readonly mode: Mode | undefined;
}

interface Subject {
  readonly rows: VersionRow[];
  /** Of the newest version, made when it is first needed. */
  check: ValueCheck | undefined;
}

const NO_SUBJECT: Subject = { rows: [], check: undefined };

export class SchemaRegistry {
  readonly modes: SchemaModes;
  readonly #log: Log;
  readonly #limits: Limits;
  readonly #ids = new Map<string, number>();
  /** Of the schemas that have some. */
  readonly #references = new Map<number, readonly Reference[]>();
  readonly #subjects = new Map<string, Subject>();
  /** Versions that go with the next change of their subject. */
  readonly #retiring = new Map<string, number>();
  #lastId = 0;

  constructor(log: Log, limits: Limits) {
    this.modes = new SchemaModes(log, limits);
    this.#log = log;
    this.#limits = limits;
    for (const [key, value] of everything(log, SCHEMAS)) this.#know(Number(key), value);
    for (const [key, value] of everything(log, VERSIONS)) {
      const { subject, ...row } = readVersion(key, value);
      const state = this.#subjects.get(subject);
      if (state === undefined) this.#subjects.set(subject, { rows: [row], check: undefined });
      else state.rows.push(row);
    }
  }

  #know(id: number, value: Uint8Array): void {
    const { fingerprint, references } = readSchema(value);
    this.#ids.set(fingerprint, id);
    if (references.length > 0) this.#references.set(id, references);
    this.#lastId = Math.max(this.#lastId, id);
  }

  // What documents of the kind ask, before and after they change.

  /** @throws SCHEMA_INVALID, SCHEMA_INCOMPATIBLE (details: `path`, `version`), SCHEMA_UNKNOWN for a reference, LIMIT_EXCEEDED */
  check(subject: string, proposal: Proposal): void {
    const id = this.#ids.get(fingerprintOf(proposal));
    if (id !== undefined && this.#live(subject).at(-1)?.id === id) return;
    const [first] = this.incompatibilities(subject, proposal, this.modes.of(subject, proposal.mode));
    if (first !== undefined) throw incompatible(subject, first);
    this.#checkLimits(subject, id);
  }

  /** Whether it stands against earlier versions; also compiles it. @param against one version, in place of what the mode says */
  incompatibilities(subject: string, source: SchemaSource, mode: Mode, against?: number): readonly Incompatibility[] {
    const resolved = this.#resolve(source);
    const parsed = parseSchema(resolved);
    parsed.compile();
    const rows = this.#live(subject).filter(({ version }) => against === undefined || version === against);
    const earlier = rows.map(({ version, id }) => ({
      version,
      parse: () => parseSchema(this.#resolve(this.schema(id))),
    }));
    return incompatibilities(parsed, earlier, mode);
  }

  #checkLimits(subject: string, id: number | undefined): void {
    const { schemasMax, schemaVersionsMax } = this.#limits;
    if (id === undefined && this.#ids.size >= schemasMax) {
      throw new SluiceError('LIMIT_EXCEEDED', `at most ${schemasMax} different schemas`);
    }
    if ((this.#subjects.get(subject)?.rows.length ?? 0) >= schemaVersionsMax) {
      throw new SluiceError('LIMIT_EXCEEDED', `a subject has at most ${schemaVersionsMax} versions`);
    }
  }

  #resolve(source: SchemaSource): ResolvedSource {
    return resolveSource(source, this.#limits, (reference) => this.#referred(reference));
  }

  /** Also when deleted since: whoever refers to a version keeps it. */
  #referred({ subject, version }: Reference): SchemaSource {
    const row = this.#subjects.get(subject)?.rows.find((one) => one.version === version);
    if (row !== undefined) return this.schema(row.id);
    throw new SluiceError('SCHEMA_INVALID', `the reference to version ${version} of ${subject} leads nowhere`);
  }

  /** What must be stored together with the document that holds `source`, or with its deletion. */
  changes(subject: string, source: SchemaSource | undefined): StateChange[] {
    const live = this.#live(subject);
    const changes = (this.#subjects.get(subject)?.rows ?? [])
      .filter(
        ({ version, isDeleted }) =>
          !isDeleted && !(source !== undefined && live.some((row) => row.version === version)),
      )
      .map((row) => versionChange(subject, { ...row, isDeleted: true }));
    if (source === undefined) return changes;
    const fingerprint = fingerprintOf(source);
    const known = this.#ids.get(fingerprint);
    const id = known ?? this.#lastId + 1;
    if (live.at(-1)?.id === id) return changes;
    const { type, text, references } = source;
    if (known === undefined) changes.push(schemaChange(id, { type, text, references, fingerprint }));
    const version = (this.#subjects.get(subject)?.rows.at(-1)?.version ?? 0) + 1;
    changes.push(versionChange(subject, { version, id, isDeleted: false }));
    return changes;
  }

  /** To be called when changes of a subject are on the disk. */
  committed(subject: string): void {
    const prefix = versionPrefix(subject);
    const rows: VersionRow[] = [];
    for (const [key, value] of this.#log.scanState(VERSIONS, prefix, this.#limits.schemaVersionsMax)) {
      if (!key.startsWith(prefix)) break;
      const { version, id, isDeleted } = readVersion(key, value);
      rows.push({ version, id, isDeleted });
    }
    this.#subjects.set(subject, { rows, check: undefined });
    const newest = this.#lastId + 1;
    const stored = this.#log.getState(SCHEMAS, schemaKey(newest));
    if (stored !== undefined) this.#know(newest, stored);
  }

  // Deleting one version.

  /**
   * Deletes a version. When it is the newest, `change` is called, to make the document hold the one before; what it
   * changes and the deletion are one commit. @param before undefined when no version is left
   * @throws SCHEMA_UNKNOWN, SCHEMA_IN_USE
   */
  async retire(
    subject: string,
    version: number,
    change: (before: SchemaVersion | undefined) => Promise<unknown>,
  ): Promise<void> {
    const live = this.#live(subject);
    const row = this.#row(subject, version);
    this.requireUnreferred(subject, version);
    const before = live.at(-2);
    if (row !== live.at(-1) || row.id === before?.id) {
      await this.#log.commit({ state: [versionChange(subject, { ...row, isDeleted: true })] });
      this.committed(subject);
      return;
    }
    this.#retiring.set(subject, version);
    try {
      await change(before === undefined ? undefined : this.#version(subject, before));
    } finally {
      this.#retiring.delete(subject);
    }
  }

  /** @param version undefined: none of the subject's may be referred to @throws SCHEMA_IN_USE (details: `by`) */
  requireUnreferred(subject: string, version?: number): void {
    for (const [by, { rows }] of this.#subjects) {
      if (by === subject && version === undefined) continue;
      const referring = rows.find((row) => !row.isDeleted && this.#refersTo(row.id, subject, version));
      if (referring === undefined) continue;
      throw new SluiceError('SCHEMA_IN_USE', `version ${referring.version} of ${by} refers to ${subject}`, { by });
    }
  }

  /** @param version undefined: any of the subject's */
  #refersTo(id: number, subject: string, version: number | undefined): boolean {
    const references = this.#references.get(id) ?? [];
    return references.some((one) => one.subject === subject && (version === undefined || one.version === version));
  }

  // Looking up.

  /** By name. @param deleted with those of which no version is left */
  subjects(deleted = false): string[] {
    const names = [...this.#subjects].filter(
      ([name, { rows }]) => (deleted ? rows.length : this.#live(name).length) > 0,
    );
    return names.map(([name]) => name).sort();
  }

  /** Oldest first. @throws SCHEMA_UNKNOWN when there is none */
  versions(subject: string, deleted = false): number[] {
    const rows = deleted ? (this.#subjects.get(subject)?.rows ?? []) : this.#live(subject);
    if (rows.length === 0) throw unknownSubject(subject);
    return rows.map(({ version }) => version);
  }

  /** @throws SCHEMA_UNKNOWN (details: `version` when the subject is there) */
  version(subject: string, version: number | 'latest', deleted = false): SchemaVersion {
    return this.#version(subject, this.#row(subject, version, deleted));
  }

  /** The newest version of this content. @throws SCHEMA_INVALID when it cannot be parsed */
  lookUp(subject: string, source: SchemaSource, deleted = false): SchemaVersion | undefined {
    const id = this.#ids.get(fingerprintOf(source));
    const rows = deleted ? (this.#subjects.get(subject)?.rows ?? []) : this.#live(subject);
    const row = rows.findLast((one) => one.id === id);
    return row === undefined ? undefined : this.#version(subject, row);
  }

  /** @throws SCHEMA_UNKNOWN (details: `id`) */
  schema(id: number): SchemaSource {
    const stored = this.#log.getState(SCHEMAS, schemaKey(id));
    if (stored !== undefined) return readSchema(stored);
    throw new SluiceError('SCHEMA_UNKNOWN', `there is no schema ${id}`, { id });
  }

  /** Where a schema is in use. */
  uses(id: number, deleted = false): { subject: string; version: number }[] {
    return [...this.#subjects].flatMap(([subject, { rows }]) =>
      rows.filter((row) => row.id === id && (deleted || !row.isDeleted)).map(({ version }) => ({ subject, version })),
    );
  }

  /** Numbers of the schemas that refer to a version. */
  referringTo(subject: string, version: number): number[] {
    const live = new Set([...this.#subjects.keys()].flatMap((name) => this.#live(name).map(({ id }) => id)));
    return [...this.#references.keys()].filter((id) => live.has(id) && this.#refersTo(id, subject, version));
  }

  // Checking values.

  /** The check of the newest version, compiled once. @throws SCHEMA_UNKNOWN */
  valueCheck(subject: string): ValueCheck {
    const state = this.#subjects.get(subject) ?? NO_SUBJECT;
    if (state.check !== undefined) return state.check;
    const newest = this.#live(subject).at(-1);
    if (newest === undefined) throw unknownSubject(subject);
    const check = parseSchema(this.#resolve(this.schema(newest.id))).compile();
    state.check = check;
    return check;
  }

  /** Whether the schema of this number is a version of the subject. */
  hasVersionOf(subject: string, id: number): boolean {
    return this.#subjects.get(subject)?.rows.some((row) => row.id === id && !row.isDeleted) ?? false;
  }

  #live(subject: string): readonly VersionRow[] {
    const retiring = this.#retiring.get(subject);
    const { rows } = this.#subjects.get(subject) ?? NO_SUBJECT;
    return rows.filter(({ version, isDeleted }) => !isDeleted && version !== retiring);
  }

  #row(subject: string, version: number | 'latest', deleted = false): VersionRow {
    const rows = deleted ? (this.#subjects.get(subject)?.rows ?? []) : this.#live(subject);
    if (rows.length === 0) throw unknownSubject(subject);
    const row = version === 'latest' ? rows.at(-1) : rows.find((one) => one.version === version);
    if (row !== undefined) return row;
    throw new SluiceError('SCHEMA_UNKNOWN', `${subject} has no version ${version}`, { subject, version });
  }

  #version(subject: string, { version, id }: VersionRow): SchemaVersion {
    const { type, text, references } = this.schema(id);
    return { subject, version, id, type, text, references };
  }
}

function unknownSubject(subject: string): SluiceError {
  return new SluiceError('SCHEMA_UNKNOWN', `there is no schema ${subject}`, { subject });
}

function incompatible(subject: string, { version, reader, path, message }: Incompatibility): SluiceError {
  const who = reader === 'new' ? `it cannot read version ${version}` : `version ${version} cannot read it`;
  return new SluiceError('SCHEMA_INCOMPATIBLE', `${subject}: ${who}: ${path}: ${message}`, { version, path });
}
