/** Gathers the schemas that one refers to, directly and through others, in the order in which they can be read. */
import { type Limits, SluiceError } from '#kernel';
import type { ImportedSource, Reference, ResolvedSource, SchemaSource } from './source.ts';

/** The record of a change must fit a batch: it holds the text before, after and as it is, quotes escaped. */
const CHANGE_FACTOR = 7;

/**
 * @param find the schema of a reference; throws where there is none
 * @throws SCHEMA_INVALID when there are too many, when they are of another language, or two of one name differ
 */
export function resolveSource(
  source: SchemaSource,
  limits: Limits,
  find: (reference: Reference) => SchemaSource,
): ResolvedSource {
  const bytesMax = Math.min(limits.schemaBytesMax, Math.floor(limits.batchBytesMax / CHANGE_FACTOR));
  if (Buffer.byteLength(source.text) > bytesMax) {
    throw new SluiceError('SCHEMA_INVALID', `a schema has at most ${bytesMax} bytes`);
  }
  const imports = new Map<string, ImportedSource>();
  const gather = (references: readonly Reference[]) => {
    for (const reference of references) {
      const { name } = reference;
      const { type, text, references: further } = find(reference);
      if (type !== source.type) throw new SluiceError('SCHEMA_INVALID', `${name} is ${type}, not ${source.type}`);
      const known = imports.get(name);
      if (known !== undefined) {
        if (known.text !== text) throw new SluiceError('SCHEMA_INVALID', `two different schemas are called ${name}`);
        continue;
      }
      if (imports.size >= limits.schemaReferencesMax) {
        throw new SluiceError('SCHEMA_INVALID', `a schema refers to at most ${limits.schemaReferencesMax} others`);
      }
      imports.set(name, { name, text });
      gather(further);
      // A map keeps the order of insertion: what is needed by this one must come before it.
      imports.delete(name);
      imports.set(name, { name, text });
    }
  };
  gather(source.references);
  return { type: source.type, text: source.text, imports: [...imports.values()] };
}
