/** A record as JSON text, and the text of a frame. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withSeed } from '#kit';
import { recordJson } from '../../../src/server/read/record-json.ts';
import { TextWriter } from '../../../src/server/ws/text-writer.ts';

function written(value: Uint8Array): { value?: unknown; value_base64?: string } {
  return JSON.parse(recordJson({ offset: 7, timestamp: 8, key: null, value, headers: [] }));
}

function parsed(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

describe('the value of a record', () => {
  it('goes in as JSON exactly when a JSON parser takes it', () => {
    const nearly = fc.array(fc.constantFrom(...' \n\t{}[]"-+.0123eEtruefalsn:,\\\u00a0\u00e4x'), { maxLength: 8 });
    const texts = fc.oneof(
      nearly.map((parts) => parts.join('')),
      fc.json(),
      fc.constantFrom('true', ' false\n', 'null ', '-', '"'),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = Buffer.from(text);
        const expected = parsed(text);
        const { value, value_base64 } = written(bytes);
        if (expected === undefined) expect([value, value_base64]).toEqual([undefined, bytes.toString('base64')]);
        else expect([value, value_base64]).toEqual([expected.value, undefined]);
      }),
      withSeed({ numRuns: 3_000 }),
    );
  });

  it('is base64 when its bytes are no text', () => {
    const bytes = Buffer.from([0x22, 0xff, 0xfe, 0x22]);
    expect(written(bytes).value_base64).toBe(bytes.toString('base64'));
  });
});

describe('the text of a frame', () => {
  it('is what was written, one behind the other, in UTF-8 and base64', () => {
    const part = fc.oneof(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 30_000, size: 'max' }));
    const writer = new TextWriter(16);
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        writer.reset();
        for (const one of parts) typeof one === 'string' ? writer.text(one) : writer.base64(one);
        const expected = parts.map((one) => (typeof one === 'string' ? one : Buffer.from(one).toString('base64')));
        expect(writer.bytes().toString()).toBe(expected.join(''));
      }),
      withSeed({ numRuns: 200 }),
    );
  });
});
