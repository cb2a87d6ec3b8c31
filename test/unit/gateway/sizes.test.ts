/** Limits of sizes and structure: the scanners against a real parser, each limit, each danger of XML. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '#kernel';
import { withSeed } from '#kit';
import { JsonScanner } from '../../../src/gateway/policies/json-scanner.ts';
import {
  type BodyScanner,
  compileSizes,
  jsonLimitsSchema,
  sizesSchema,
  xmlLimitsSchema,
} from '../../../src/gateway/policies/sizes.ts';
import { XmlScanner } from '../../../src/gateway/policies/xml-scanner.ts';
import { askNow, requestOf } from './request.ts';

/** What a scanner says of a text, given in pieces of so many bytes. */
function scan(scanner: BodyScanner, text: string, pieceBytes = 1_000_000) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) scanner.write(bytes.subarray(at, at + pieceBytes));
  return scanner.end() ?? 'fine';
}

const json = (text: string, limits: object = {}, pieceBytes?: number) =>
  scan(new JsonScanner(jsonLimitsSchema.parse(limits)), text, pieceBytes);
const xml = (text: string, limits: object = {}, pieceBytes?: number) =>
  scan(new XmlScanner(xmlLimitsSchema.parse(limits)), text, pieceBytes);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('JSON', () => {
  const loose = { depth_max: 1_000 };

  test('is well formed to the scanner when it is to the parser, whole or in pieces', () => {
    // Values, and values with a character put in, taken out or changed.
    const damage = fc.record({
      at: fc.nat(200),
      cut: fc.nat(2),
      put: fc.constantFrom('', ...'{}[]",:0-+.eEtfn\\u \n'),
    });
    const text = fc.tuple(fc.json({ maxDepth: 5 }), fc.option(damage)).map(([whole, change]) => {
      if (change === null) return whole;
      const at = change.at % (whole.length + 1);
      return whole.slice(0, at) + change.put + whole.slice(at + change.cut);
    });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 7 }), (one, pieceBytes) => {
        // A lone half of a pair is one character to the parser and another in UTF-8.
        fc.pre(!/[\uD800-\uDFFF]/u.test(one));
        expect(json(one, loose, pieceBytes)).toBe(isJson(one) ? 'fine' : 'REQUEST_MALFORMED');
      }),
      withSeed({ numRuns: 2_000 }),
    );
  });

  test.each([
    ['', false],
    ['  ', false],
    ['1', true],
    ['-', false],
    ['01', false],
    ['1.', false],
    ['1.5e+', false],
    ['-0.0E-10', true],
    ['"\\u12G4"', false],
    ['"\\x"', false],
    ['"a\nb"', false],
    ['[1,]', false],
    ['{"a":1,}', false],
    ['{"a"}', false],
    ['[1}', false],
    ['tru', false],
    ['true false', false],
    ['\uFEFF1', false],
  ])('%j is well formed: %s', (text, expected) => {
    expect(isJson(text)).toBe(expected);
    expect(json(text, {}, 1)).toBe(expected ? 'fine' : 'REQUEST_MALFORMED');
  });

  test.each([
    [{ depth_max: 3 }, '[[{}]]', '[[[[]]]]'],
    [{ keys_max: 2 }, '{"a":1,"b":{"c":1,"d":2}}', '{"a":1,"b":2,"c":3}'],
    [{ items_max: 2 }, '[[1,2],[1,2]]', '[1,2,3]'],
    [{ values_max: 4 }, '[1,{"a":2}]', '[1,{"a":2},3]'],
    [{ string_bytes_max: 4 }, '["abcd","éé"]', '["ééa"]'],
    [{ key_bytes_max: 2 }, '{"ab":"abcdef"}', '{"abc":1}'],
    [{ number_bytes_max: 5 }, '[12345]', '[123456]'],
  ])('is refused beyond %j', (limits, fine, beyond) => {
    expect([json(fine, limits, 1), json(beyond, limits, 1), json(beyond, limits)]).toEqual([
      'fine',
      'BODY_TOO_COMPLEX',
      'BODY_TOO_COMPLEX',
    ]);
  });
});

describe('XML', () => {
  test.each([
    ['<a/>'],
    ['<?xml version="1.0" encoding="UTF-8"?>\n<a b="c > d" e=\'/\'>t &amp; &#65; &#x1F600;<!-- <x> -- --><b/></a>\n'],
    ['<a><![CDATA[ ]] > & <b> ]]]></a>'],
    ['\uFEFF<a></a>'],
    ['<a:b xmlns:a="u"></a:b >'],
  ])('%j passes', (text) => {
    expect([xml(text), xml(text, {}, 1)]).toEqual(['fine', 'fine']);
  });

  test.each([
    ['<!DOCTYPE a><a/>'],
    ['<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'],
    ['<!doctype a><a/>'],
    ['<a>&lol9;</a>'],
    ['<a b="&c;"/>'],
    ['<a><!ENTITY b "c"></a>'],
  ])('%j declares types or entities', (text) => {
    expect([xml(text), xml(text, {}, 1)]).toEqual(['XML_ENTITY_REFUSED', 'XML_ENTITY_REFUSED']);
  });

  test.each([
    [''],
    ['text'],
    ['<a>'],
    ['<a></a></b>'],
    ['<a <b>'],
    ['<a>& more</a>'],
    ['< a/>'],
    ['<a><!-- --'],
    ['<a b="<"/>'],
    ['\0<\0a\0/\0>'],
    ['<?xml version="1.0" encoding="UTF-7"?><a/>'],
    ["<?xml version='1.0' encoding = 'utf-16'?><a/>"],
    ['<![CDATA[ ]]><a/>'],
  ])('%j is not well formed', (text) => {
    expect(xml(text, {}, 1)).toBe('REQUEST_MALFORMED');
  });

  test('in UTF-16 is not read', () => {
    const scanner = new XmlScanner(xmlLimitsSchema.parse({}));
    expect(scanner.write(Buffer.from('\uFEFF<a/>', 'utf16le'))).toBe('REQUEST_MALFORMED');
  });

  test.each([
    [{ depth_max: 2 }, '<a><b/><b/><b/></a>', '<a><b><c/></b></a>'],
    [{ elements_max: 3 }, '<a><b/><c/></a>', '<a><b/><c/><d/></a>'],
    [{ attributes_max: 1 }, '<a b="1"><c d="1"/></a>', '<a b="1" c="2"/>'],
    [{ text_bytes_max: 12 }, '<a>abcdefghijkl</a>', '<a>abcdefghijklm</a>'],
  ])('is refused beyond %j', (limits, fine, beyond) => {
    expect([xml(fine, limits, 1), xml(beyond, limits, 1)]).toEqual(['fine', 'BODY_TOO_COMPLEX']);
  });
});

describe('a request', () => {
  const check = (parts: Parameters<typeof requestOf>[0], spec: object = {}) => {
    const request = requestOf(parts);
    const sizes = compileSizes(sizesSchema.parse(spec), DEFAULT_LIMITS);
    const head = askNow(sizes, request);
    const decision = head.allow && sizes.structure !== undefined ? askNow(sizes.structure, request) : head;
    return decision.allow ? 'allowed' : `${decision.status} ${decision.code}`;
  };
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`x-${i}`, '']));
  const body = (text: string, type: string) => ({ headers: { 'content-type': type }, body: Buffer.from(text) });

  test('is held to each limit', () => {
    expect(check({})).toBe('allowed');
    expect(check({ path: 'a'.repeat(5_000), query: 'b'.repeat(5_000) })).toBe('414 PATH_TOO_LONG');
    expect(check({ headers: { a: 'b'.repeat(16_384) } })).toBe('431 HEADERS_TOO_LARGE');
    expect(check({ headers: many })).toBe('431 HEADERS_TOO_LARGE');
    expect(check({ headers: { 'content-length': '1048577' } })).toBe('413 REQUEST_TOO_LARGE');
  });

  test('has its body looked into by its media type', () => {
    const both = { json: { depth_max: 1 }, xml: {} };
    expect(check(body('[[]]', 'application/json; charset=utf-8'), both)).toBe('422 BODY_TOO_COMPLEX');
    expect(check(body('[[]]', 'application/vnd.api+JSON'), both)).toBe('422 BODY_TOO_COMPLEX');
    expect(check(body('[[]]', 'text/plain'), both)).toBe('allowed');
    expect(check(body('[[]]', 'application/json'), {})).toBe('allowed');
    expect(check(body('<!DOCTYPE a><a/>', 'text/xml'), both)).toBe('422 XML_ENTITY_REFUSED');
    expect(check(body('<a', 'application/soap+xml'), both)).toBe('400 REQUEST_MALFORMED');
  });

  test('cannot be looked into where it may be longer than is ever collected', () => {
    const tooLong = { body_bytes_max: DEFAULT_LIMITS.gatewayBodyBytesMax + 1 };
    expect(check({}, tooLong)).toBe('allowed');
    expect(() => check({}, { ...tooLong, json: {} })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
