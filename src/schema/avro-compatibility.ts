/**
 * Whether a reader's Avro schema can read everything a writer's wrote: the resolution rules of the Avro specification, as
 * its Java library and with it Confluent's registry apply them. Names count without their namespace; a reader's aliases
 * stand for the writer's full names. avsc's own resolvers are stricter, in unions for one, so they are not asked.
 */
import type avro from 'avsc';
import { type AvroField, type AvroType, typeOf } from './avro-types.ts';
import { PairTable } from './pair-table.ts';
import { type Difference, pointerTo } from './parsed-schema.ts';

type Kind = AvroType['typeName'];
type Of<K extends Kind> = Extract<AvroType, { readonly typeName: K }>;

/** What a writer's primitive may be read as, besides itself. */
const PROMOTIONS: Readonly<Partial<Record<Kind, readonly Kind[]>>> = {
  int: ['long', 'float', 'double'],
  long: ['float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
};

export function avroDifferences(writer: avro.Type, reader: avro.Type): readonly Difference[] {
  return new AvroComparison().types(typeOf(writer), typeOf(reader), '#');
}

class AvroComparison {
  readonly #pairs = new PairTable();

  types(writer: AvroType, reader: AvroType, path: string): readonly Difference[] {
    return this.#pairs.of(writer, reader, () => [...this.#compare(writer, reader, path)]);
  }

  #compare(writer: AvroType, reader: AvroType, path: string): readonly Difference[] {
    if (writer.typeName === 'union:wrapped') {
      return writer.types.flatMap((branch) => this.types(branch, reader, path));
    }
    if (reader.typeName === 'union:wrapped') {
      if (reader.types.some((branch) => this.types(writer, branch, path).length === 0)) return [];
      return [{ path, message: `no branch of the union reads ${nameOf(writer)}` }];
    }
    if (isRecord(writer) && isRecord(reader))
      return [...names(writer, reader, path), ...this.#fields(writer, reader, path)];
    if (writer.typeName !== reader.typeName) {
      if (PROMOTIONS[writer.typeName]?.includes(reader.typeName) === true) return [];
      return [{ path, message: `${nameOf(writer)} cannot be read as ${nameOf(reader)}` }];
    }
    switch (reader.typeName) {
      case 'array':
        return this.types((writer as Of<'array'>).itemsType, reader.itemsType, `${path}/items`);
      case 'map':
        return this.types((writer as Of<'map'>).valuesType, reader.valuesType, `${path}/values`);
      case 'fixed':
        return [...names(writer as Of<'fixed'>, reader, path), ...sizes(writer as Of<'fixed'>, reader, path)];
      case 'enum':
        return [...names(writer as Of<'enum'>, reader, path), ...symbols(writer as Of<'enum'>, reader, path)];
      default:
        return [];
    }
  }

  #fields(writer: Of<'record' | 'error'>, reader: Of<'record' | 'error'>, path: string): Difference[] {
    return reader.fields.flatMap((field) => {
      const place = pointerTo(`${path}/fields`, field.name);
      const written = writtenAs(field, writer.fields);
      if (written !== undefined) return this.types(written.type, field.type, place);
      if (field.defaultValue() !== undefined) return [];
      return [{ path: place, message: `${field.name} is not in what was written, and has no default` }];
    });
  }
}

function isRecord(type: AvroType): type is Of<'record' | 'error'> {
  return type.typeName === 'record' || type.typeName === 'error';
}

function writtenAs(field: AvroField, written: readonly AvroField[]): AvroField | undefined {
  const byName = written.find(({ name }) => name === field.name);
  return byName ?? written.find(({ name }) => field.aliases.includes(name));
}

interface Named {
  readonly name: string;
  readonly aliases: readonly string[];
}

function names(writer: Named, reader: Named, path: string): Difference[] {
  if (unqualified(writer) === unqualified(reader) || reader.aliases.includes(writer.name)) return [];
  return [{ path, message: `${writer.name} is neither the name ${reader.name} nor an alias of it` }];
}

function unqualified({ name }: Named): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function sizes(writer: Of<'fixed'>, reader: Of<'fixed'>, path: string): Difference[] {
  if (writer.size === reader.size) return [];
  return [{ path: `${path}/size`, message: `the size was ${writer.size} and is ${reader.size}` }];
}

function symbols(writer: Of<'enum'>, reader: Of<'enum'>, path: string): Difference[] {
  const lost = writer.symbols.filter((symbol) => !reader.symbols.includes(symbol));
  if (lost.length === 0 || reader.default !== undefined) return [];
  return [
    { path: `${path}/symbols`, message: `${lost.join(', ')} cannot be read any longer, and there is no default` },
  ];
}

function nameOf(type: AvroType): string {
  return type.branchName ?? 'a union';
}
