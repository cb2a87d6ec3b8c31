/**
 * Protobuf (proto2, proto3), parsed by protobufjs. A value is the first message of the file, in Protobuf's canonical JSON.
 * Imports are schemas referred to by their path, and the well-known files that protobufjs carries.
 */
import type protobuf from 'protobufjs';
import { SluiceError } from '#kernel';
import type { Difference, ParsedSchema, ValueCheck } from './parsed-schema.ts';
import { type ProtobufFile, protobufDifferences } from './protobuf-compatibility.ts';
import { protobufCheck } from './protobuf-values.ts';
import { protobufjs } from './protobufjs.ts';
import { invalidSchema, type ResolvedSource } from './source.ts';

export class ProtobufSchema implements ParsedSchema {
  readonly type = 'protobuf';
  readonly #file: ProtobufFile;

  /** @throws SCHEMA_INVALID */
  constructor(source: ResolvedSource) {
    try {
      this.#file = parse(source);
    } catch (error) {
      throw invalidSchema(error);
    }
  }

  compile(): ValueCheck {
    const [first] = this.#file.messages;
    if (first === undefined) throw new SluiceError('SCHEMA_INVALID', 'the schema has no message');
    return protobufCheck(first);
  }

  differences(writer: ParsedSchema): readonly Difference[] {
    return protobufDifferences((writer as ProtobufSchema).#file, this.#file);
  }
}

function parse({ text, imports }: ResolvedSource): ProtobufFile {
  const root = new (protobufjs().Root)();
  const known = new Set(imports.map(({ name }) => name));
  for (const one of imports) addImports(root, parseInto(root, one.text), known);
  const imported = new Set(outermostIn(root));
  const parsed = parseInto(root, text);
  const messages = outermostIn(root).filter((type) => !imported.has(type));
  addImports(root, parsed, known);
  root.resolveAll();
  return { packageName: parsed.package ?? '', messages };
}

function outermostIn(namespace: protobuf.NamespaceBase): protobuf.Type[] {
  return namespace.nestedArray.flatMap((nested) => {
    if (nested instanceof protobufjs().Type) return [nested];
    return nested instanceof protobufjs().Namespace ? outermostIn(nested) : [];
  });
}

function parseInto(root: protobuf.Root, text: string): protobuf.IParserResult {
  return protobufjs().parse(text, root, { keepCase: true });
}

/** Adds the well-known files among the imports. @param known paths of what the root holds already */
function addImports(
  root: protobuf.Root,
  { imports = [], weakImports = [] }: protobuf.IParserResult,
  known: Set<string>,
) {
  for (const path of [...imports, ...weakImports]) {
    if (known.has(path)) continue;
    const nested = protobufjs().common.get(path)?.nested;
    if (nested === undefined) {
      throw new SluiceError('SCHEMA_INVALID', `the import ${path} is neither well known nor among the references`);
    }
    root.addJSON(nested);
    known.add(path);
  }
}
