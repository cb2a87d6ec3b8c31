/**
 * What the registry keeps in the log's state, as bytes and back:
 *
 *   schemas          id, ten digits               the schema, stored once however many subjects have it
 *   schema-versions  subject / version, ten digits  which schema that is, and whether it was deleted
 *   schema-config    `global`, or subject / name  a mode of compatibility that is not part of a document
 */
import type { Log, StateChange } from '#log';
import type { Mode } from './compatibility.ts';
import type { SchemaSource } from './source.ts';

export const SCHEMAS = 'schemas';
export const VERSIONS = 'schema-versions';
export const CONFIG = 'schema-config';
const GLOBAL = 'global';
const DIGITS = 10;
const PAGE_ENTRIES = 1_000;

export interface SchemaRow extends SchemaSource {
  readonly fingerprint: string;
}

export interface VersionRow {
  readonly version: number;
  readonly id: number;
  readonly isDeleted: boolean;
}

/** All entries of a space, some at a time: texts of schemas are not held together. */
export function* everything(log: Log, space: string): Iterable<[key: string, value: Uint8Array]> {
  for (let from = ''; ; ) {
    const page = log.scanState(space, from, PAGE_ENTRIES);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ENTRIES) return;
    from = `${last[0]}\0`;
  }
}

export function schemaKey(id: number): string {
  return String(id).padStart(DIGITS, '0');
}

export function schemaChange(id: number, row: SchemaRow): StateChange {
  return { space: SCHEMAS, key: schemaKey(id), value: encode(row) };
}

export function readSchema(value: Uint8Array): SchemaRow {
  return decode<SchemaRow>(value);
}

/** Keys of a subject's versions begin with this; a subject holds no slash. */
export function versionPrefix(subject: string): string {
  return `${subject}/`;
}

export function versionChange(subject: string, { version, id, isDeleted }: VersionRow): StateChange {
  const key = versionPrefix(subject) + String(version).padStart(DIGITS, '0');
  return { space: VERSIONS, key, value: encode({ id, isDeleted }) };
}

export function readVersion(key: string, value: Uint8Array): VersionRow & { readonly subject: string } {
  const slash = key.lastIndexOf('/');
  const stored = decode<Omit<VersionRow, 'version'>>(value);
  return { subject: key.slice(0, slash), version: Number(key.slice(slash + 1)), ...stored };
}

/** @param subject undefined for what holds where a subject has none */
export function configChange(subject: string | undefined, mode: Mode | null): StateChange {
  const key = subject === undefined ? GLOBAL : `subject/${subject}`;
  return { space: CONFIG, key, value: mode === null ? null : encode({ mode }) };
}

export function readConfig(
  key: string,
  value: Uint8Array,
): { readonly subject: string | undefined; readonly mode: Mode } {
  const { mode } = decode<{ mode: Mode }>(value);
  return { subject: key === GLOBAL ? undefined : key.slice(key.indexOf('/') + 1), mode };
}

function encode(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function decode<T>(value: Uint8Array): T {
  return JSON.parse(Buffer.from(value).toString()) as T;
}
