/** Reading the fields of a message, each with an error that names it. */
import { SluiceError } from '#kernel';
import type { Message } from './codec.ts';

export function asMessage(raw: unknown): Message {
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw) && !(raw instanceof Uint8Array))
    return raw as Message;
  throw new SluiceError('REQUEST_INVALID', 'a message must be an object', { field: 'op' });
}

/** A whole number, 0 or more. */
export function readInteger(message: Message, field: string): number {
  const value = message[field];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(field, 'must be a whole number, 0 or more');
}

export function readOptionalInteger(message: Message, field: string): number | undefined {
  return message[field] === undefined || message[field] === null ? undefined : readInteger(message, field);
}

export function readText(message: Message, field: string): string {
  const value = message[field];
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(field, 'must be a text that is not empty');
}

export function readOptionalText(message: Message, field: string): string | undefined {
  return message[field] === undefined || message[field] === null ? undefined : readText(message, field);
}

export function readChoice<T extends string>(message: Message, field: string, choices: readonly T[], absent: T): T {
  const value = message[field] ?? absent;
  if (choices.includes(value as T)) return value as T;
  throw invalid(field, `must be one of ${choices.join(', ')}`);
}

/** A list of whole numbers. */
export function readIntegers(message: Message, field: string): number[] | undefined {
  const value = message[field];
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0)) return value as number[];
  throw invalid(field, 'must be a list of whole numbers');
}

export function invalid(field: string, problem: string): SluiceError {
  return new SluiceError('REQUEST_INVALID', `${field} ${problem}`, { field });
}
