/**
 * Checks values in Protobuf's canonical JSON. protobufjs reads that form whole but does not say where it stumbled, so
 * what does not fit is read again piece by piece until the piece is found.
 */
import type protobuf from 'protobufjs';
import { inside, type Mismatch, type ValueCheck } from './parsed-schema.ts';
import { protobufjs, protojson } from './protobufjs.ts';

type Fields = Readonly<Record<string, unknown>>;

export function protobufCheck(type: protobuf.Type): ValueCheck {
  const needs = needsFields(type, new Set());
  return (value) => {
    if (problemOf(type, value) !== undefined) return locate(type, value);
    return needs ? missingIn(type, value as Fields) : undefined;
  };
}

function problemOf(type: protobuf.Type, value: unknown): string | undefined {
  try {
    protojson().fromJson(type, value);
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) throw error;
    // ".shop.Order.total: invalid integer: "x"": the place is told by the path.
    return (error as Error).message.replace(/^\.?[\w.]+: /, '');
  }
}

/** Where in a value that does not fit the first piece stands that does not. */
function locate(type: protobuf.Type, value: unknown): Mismatch {
  const whole = { path: '', message: problemOf(type, value) ?? 'does not fit' };
  if (isWellKnown(type) || !isObject(value)) return whole;
  for (const [name, member] of Object.entries(value)) {
    const message = problemOf(type, { [name]: member });
    if (message === undefined) continue;
    const field = fieldOf(type, name);
    return inside(name, field === undefined ? { path: '', message } : locateIn(type, name, field, member, message));
  }
  return whole;
}

function locateIn(
  type: protobuf.Type,
  name: string,
  field: protobuf.Field,
  member: unknown,
  message: string,
): Mismatch {
  const of = field.resolvedType;
  const within = (value: unknown, problem: string) =>
    of instanceof protobufjs().Type ? locate(of, value) : { path: '', message: problem };
  if (!field.map && !field.repeated) return within(member, message);
  if (field.map ? !isObject(member) : !Array.isArray(member)) return { path: '', message };
  for (const [step, element] of Object.entries(member as object)) {
    const problem = problemOf(type, { [name]: field.map ? { [step]: element } : [element] });
    if (problem !== undefined) return inside(step, within(element, problem));
  }
  return { path: '', message };
}

/** Whether any message that can be in one of this type has required fields, which proto2 knows. */
function needsFields(type: protobuf.Type, seen: Set<protobuf.Type>): boolean {
  if (seen.has(type)) return false;
  seen.add(type);
  return type.fieldsArray.some(
    ({ required, resolvedType }) =>
      required || (resolvedType instanceof protobufjs().Type && needsFields(resolvedType, seen)),
  );
}

function missingIn(type: protobuf.Type, value: Fields): Mismatch | undefined {
  if (isWellKnown(type)) return undefined;
  const present = new Map<protobuf.Field, [name: string, member: unknown]>();
  for (const [name, member] of Object.entries(value)) {
    const field = fieldOf(type, name);
    if (field !== undefined && member !== null) present.set(field, [name, member]);
  }
  for (const field of type.fieldsArray) {
    const [name, member] = present.get(field) ?? [field.jsonName ?? field.name, undefined];
    if (member === undefined) {
      if (field.required) return inside(name, { path: '', message: 'is missing' });
      continue;
    }
    const of = field.resolvedType;
    if (!(of instanceof protobufjs().Type)) continue;
    const elements = field.map || field.repeated ? Object.entries(member as object) : [[undefined, member] as const];
    for (const [step, element] of elements) {
      const missing = missingIn(of, element as Fields);
      if (missing !== undefined) return inside(name, step === undefined ? missing : inside(step, missing));
    }
  }
  return undefined;
}

function fieldOf(type: protobuf.Type, name: string): protobuf.Field | undefined {
  return type.fieldsArray.find((field) => field.name === name || field.jsonName === name || field.protoName === name);
}

/** These have forms of their own in JSON, such as a timestamp's text. */
function isWellKnown({ fullName }: protobuf.Type): boolean {
  return fullName.startsWith('.google.protobuf.');
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
