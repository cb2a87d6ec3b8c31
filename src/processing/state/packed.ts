/**
 * Values of state at rest. Numbers, booleans and null stay as they are; everything else is MessagePack whose bytes are
 * the characters of a string: for a million small objects that takes a third of the memory of as many byte arrays.
 * In a block and in the store every value is MessagePack.
 */
import { Packr, Unpackr } from 'msgpackr';
import { assert, SluiceError } from '#kernel';
import type { StateBlockBuilder } from '#log';
import { asBuffer } from '#log';

export type Packed = number | boolean | null | string;

const OPTIONS = { useRecords: false, copyBuffers: true, moreTypes: false };
const packr = new Packr(OPTIONS);
const unpackr = new Unpackr(OPTIONS);

const NIL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;
const FLOAT_64 = 0xcb;
const UINT_32 = 0xce;
const FIX_INT_MAX = 0x7f;
/** First bytes of MessagePack's other numbers. */
const isNumber = (first: number): boolean => first >= 0xe0 || (first >= 0xca && first <= 0xd3);

let scratch: Buffer = Buffer.allocUnsafeSlow(4096);
const number = Buffer.alloc(9);

function view(packed: string): Buffer {
  if (packed.length > scratch.length) scratch = Buffer.allocUnsafeSlow(packed.length * 2);
  scratch.write(packed, 0, 'latin1');
  return scratch;
}

/** @throws VALUE_MALFORMED for what MessagePack has no form for */
export function pack(value: unknown): Packed {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  assert(value !== undefined, 'undefined is not a value of state');
  if (typeof value === 'function' || typeof value === 'symbol' || value instanceof Promise) {
    throw new SluiceError('VALUE_MALFORMED', `a ${typeof value} cannot be kept as state`);
  }
  return packr.pack(value).toString('latin1');
}

/** A copy of its own each time. */
export function unpack(packed: Packed): unknown {
  return typeof packed === 'string' ? unpackr.unpack(view(packed), packed.length) : packed;
}

/** Memory of an entry with a key of this length, about: the map's slot, two strings' heads, their characters. */
export function entryBytes(keyLength: number, packed: Packed): number {
  return 72 + keyLength + (typeof packed === 'string' ? 16 + packed.length : typeof packed === 'number' ? 8 : 0);
}

export function writePacked(block: StateBlockBuilder, packed: Packed): void {
  if (typeof packed === 'string') block.latin1(packed);
  else block.value(scalarBytes(packed));
}

function scalarBytes(packed: number | boolean | null): Uint8Array {
  if (typeof packed !== 'number') {
    number[0] = packed === null ? NIL : packed ? TRUE : FALSE;
    return number.subarray(0, 1);
  }
  const whole = packed >= 0 && packed <= 0xffff_ffff && Number.isInteger(packed) && !Object.is(packed, -0);
  if (whole && packed <= FIX_INT_MAX) {
    number[0] = packed;
    return number.subarray(0, 1);
  }
  number[0] = whole ? UINT_32 : FLOAT_64;
  const end = whole ? number.writeUInt32BE(packed, 1) : number.writeDoubleBE(packed, 1);
  return number.subarray(0, end);
}

/** A value as it was written to a block. @throws STORE_CORRUPT for what is not one */
export function readPacked(bytes: Uint8Array): Packed {
  const first = bytes[0];
  if (first === undefined) throw new SluiceError('STORE_CORRUPT', 'a value of state is empty');
  if (first <= FIX_INT_MAX && bytes.length === 1) return first;
  if (first === NIL) return null;
  if (first === FALSE || first === TRUE) return first === TRUE;
  const buffer = asBuffer(bytes);
  if (first === FLOAT_64 && bytes.length === 9) return buffer.readDoubleBE(1);
  if (first === UINT_32 && bytes.length === 5) return buffer.readUInt32BE(1);
  if (isNumber(first)) return Number(unpackr.unpack(buffer));
  return buffer.toString('latin1');
}
