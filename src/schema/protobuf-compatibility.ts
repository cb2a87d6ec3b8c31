/**
 * Whether a reader's Protobuf schema can read what a writer's wrote, by the rules that Confluent publishes for its
 * registry, which are those of the wire: fields are told by their numbers, names do not matter, types may change within
 * a group, and what could be set at the same time may not come into one oneof.
 */
import type protobuf from 'protobufjs';
import { PairTable } from './pair-table.ts';
import type { Difference } from './parsed-schema.ts';
import { protobufjs } from './protobufjs.ts';

export interface ProtobufFile {
  readonly packageName: string;
  /** Those of the file itself that are in no other message, in order. */
  readonly messages: readonly protobuf.Type[];
}

/** Scalar types that can be read as each other; an enum is like an int32. */
const GROUPS: readonly (readonly string[])[] = [
  ['int32', 'int64', 'uint32', 'uint64', 'bool'],
  ['sint32', 'sint64'],
  ['string', 'bytes'],
  ['fixed32', 'sfixed32'],
  ['fixed64', 'sfixed64'],
];

export function protobufDifferences(writer: ProtobufFile, reader: ProtobufFile): Difference[] {
  if (writer.packageName !== reader.packageName) {
    return [{ path: '#', message: `the package was "${writer.packageName}" and is "${reader.packageName}"` }];
  }
  return new ProtobufComparison().messageLists(writer.messages, reader.messages, '#');
}

class ProtobufComparison {
  readonly #pairs = new PairTable();

  /** Messages may come, not go. */
  messageLists(writer: readonly protobuf.Type[], reader: readonly protobuf.Type[], path: string): Difference[] {
    return writer.flatMap((message) => {
      const place = `${path}/${message.name}`;
      const now = reader.find(({ name }) => name === message.name);
      return now === undefined
        ? [{ path: place, message: 'the message is gone' }]
        : this.#messages(message, now, place);
    });
  }

  #messages(writer: protobuf.Type, reader: protobuf.Type, path: string): readonly Difference[] {
    return this.#pairs.of(writer, reader, () => [
      ...oneofs(writer, reader, path),
      ...this.#fields(writer, reader, path),
      ...this.messageLists(messagesIn(writer), messagesIn(reader), path),
    ]);
  }

  #fields(writer: protobuf.Type, reader: protobuf.Type, path: string): Difference[] {
    const differences: Difference[] = [];
    for (const [number, before] of Object.entries(writer.fieldsById)) {
      const place = `${path}/${number}`;
      const now = reader.fieldsById[Number(number)];
      if (now !== undefined) differences.push(...this.#field(before, now, place));
      else if (before.required) differences.push({ path: place, message: `the required field ${before.name} is gone` });
      else if (isLost(before, reader)) {
        differences.push({ path: place, message: `${before.name} is gone from a oneof` });
      }
    }
    for (const field of reader.fieldsArray) {
      if (field.required && writer.fieldsById[field.id]?.required !== true) {
        differences.push({ path: `${path}/${field.id}`, message: `${field.name} is required, which it was not` });
      }
    }
    return differences;
  }

  #field(writer: protobuf.Field, reader: protobuf.Field, path: string): readonly Difference[] {
    if (writer.map !== reader.map)
      return [{ path, message: 'a map and what is not a map cannot be read as each other' }];
    if (writer instanceof protobufjs().MapField && reader instanceof protobufjs().MapField) {
      if (groupOf(writer.keyType) !== groupOf(reader.keyType))
        return [typeChange(writer.keyType, reader.keyType, path)];
      return this.#types(writer, reader, path);
    }
    const differences = this.#types(writer, reader, path);
    if (differences.length === 0 && writer.repeated !== reader.repeated && isNumber(reader)) {
      return [{ path, message: 'a number cannot become repeated, nor the other way round' }];
    }
    return differences;
  }

  #types(writer: protobuf.Field, reader: protobuf.Field, path: string): readonly Difference[] {
    const [before, now] = [writer.resolvedType, reader.resolvedType];
    if (before instanceof protobufjs().Type && now instanceof protobufjs().Type) {
      if (localName(before) !== localName(now)) return [typeChange(before.fullName, now.fullName, path)];
      return this.#messages(before, now, path);
    }
    if (before instanceof protobufjs().Type || now instanceof protobufjs().Type || kindOf(writer) !== kindOf(reader)) {
      return [typeChange(writer.type, reader.type, path)];
    }
    return [];
  }
}

function typeChange(before: string, now: string, path: string): Difference {
  return { path, message: `${before} cannot be read as ${now}` };
}

function messagesIn(type: protobuf.Type): protobuf.Type[] {
  return type.nestedArray.filter((nested) => nested instanceof protobufjs().Type);
}

/** The group of a scalar or an enum. */
function kindOf(field: protobuf.Field): string {
  return groupOf(field.resolvedType instanceof protobufjs().Enum ? 'int32' : field.type);
}

function groupOf(type: string): string {
  return GROUPS.find((group) => group.includes(type))?.[0] ?? type;
}

function isNumber(field: protobuf.Field): boolean {
  return !(field.resolvedType instanceof protobufjs().Type) && kindOf(field) !== 'string';
}

/** Without the package: a message may move to another file. */
function localName(type: protobuf.Type): string {
  const outer = type.parent;
  return outer instanceof protobufjs().Type ? `${localName(outer)}.${type.name}` : type.name;
}

/** The oneof that is written in the schema; `optional` in proto3 makes one of its own. */
function oneofOf(field: protobuf.Field): protobuf.OneOf | undefined {
  const { partOf } = field;
  return partOf === null || partOf === undefined || partOf.isProto3Optional ? undefined : partOf;
}

/** A member that has gone while others of its oneof are still there; a oneof may go as a whole. */
function isLost(field: protobuf.Field, reader: protobuf.Type): boolean {
  const oneof = oneofOf(field);
  if (oneof === undefined) return false;
  const isKept = reader.oneofsArray.some(({ name, isProto3Optional }) => name === oneof.name && !isProto3Optional);
  return isKept || oneof.fieldsArray.some(({ id }) => reader.fieldsById[id] !== undefined);
}

/** What comes together in a oneof must have excluded each other before: have been one oneof, or be one field. */
function oneofs(writer: protobuf.Type, reader: protobuf.Type, path: string): Difference[] {
  const differences: Difference[] = [];
  for (const oneof of reader.oneofsArray) {
    if (oneof.isProto3Optional) continue;
    const before = oneof.fieldsArray.map(({ id }) => writer.fieldsById[id]).filter((field) => field !== undefined);
    const origins = new Set(before.map((field) => oneofOf(field) ?? field));
    if (origins.size > 1) {
      differences.push({
        path: `${path}/${oneof.name}`,
        message: 'fields that could be set together exclude each other',
      });
    }
  }
  return differences;
}
