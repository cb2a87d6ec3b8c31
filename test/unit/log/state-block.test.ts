/** Blocks of state changes: there and back, and never more than an error for bytes that are none. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SluiceError } from '#kernel';
import { withSeed } from '#kit';
import { encodeStateBlock, iterateStateBlock, STATE_BLOCK_KEY_BYTES_MAX, StateBlockBuilder } from '#log';

const changes = fc.array(
  fc.tuple(fc.string({ maxLength: 60, unit: 'grapheme' }), fc.option(fc.uint8Array({ maxLength: 300 }))),
  { maxLength: 40 },
);
const read = (block: Uint8Array) =>
  Array.from(iterateStateBlock(block), ([key, value]) => [key, value && Uint8Array.from(value)]);
const invalid = expect.objectContaining({ code: 'REQUEST_INVALID' });

describe('a state block', () => {
  it('gives back its changes, and has its buffer to itself', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const block = encodeStateBlock(list);
        expect(block.byteLength).toBe(block.buffer.byteLength);
        expect(read(block)).toEqual(list);
      }),
      withSeed({ numRuns: 300 }),
    );
  });

  it('takes a key in two parts, and a value as the characters of a string', () => {
    const builder = new StateBlockBuilder();
    builder.key(new TextEncoder().encode('op/'), 'ü');
    builder.latin1('\u0000ÿ');
    expect(builder.count).toBe(1);
    expect(builder.bytes).toBe(builder.finish().length);
    builder.key(new Uint8Array(0), 'gone');
    builder.remove();
    expect(read(builder.finish())).toEqual([['gone', null]]);
  });

  it('is refused when it is cut short or goes on', () => {
    fc.assert(
      fc.property(changes, fc.nat(), (list, at) => {
        const block = encodeStateBlock(list);
        expect(() => read(block.subarray(0, at % block.length))).toThrow(invalid);
        expect(() => read(Buffer.concat([block, new Uint8Array(1 + (at % 9))]))).toThrow(invalid);
      }),
      withSeed({ numRuns: 300 }),
    );
  });

  it('is read or refused, never anything else, whatever its bytes', () => {
    const attempt = (block: Uint8Array) => {
      try {
        read(block);
      } catch (error) {
        expect(error).toBeInstanceOf(SluiceError);
        expect(error).toEqual(invalid);
      }
    };
    fc.assert(
      fc.property(
        changes,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 5 }),
        (list, flips) => {
          const block = encodeStateBlock(list);
          for (const [at, byte] of flips) block[at % block.length] = byte;
          attempt(block);
        },
      ),
      withSeed({ numRuns: 500 }),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), attempt), withSeed({ numRuns: 300 }));
  });

  it('refuses a key that is too long', () => {
    expect(() => encodeStateBlock([['x'.repeat(STATE_BLOCK_KEY_BYTES_MAX + 1), null]])).toThrow(invalid);
    expect(read(encodeStateBlock([['x'.repeat(STATE_BLOCK_KEY_BYTES_MAX), null]]))).toHaveLength(1);
  });
});
