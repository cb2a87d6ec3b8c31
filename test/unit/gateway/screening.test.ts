/** The screening policy: what it sees through, what it lets pass, how its rules are made, its rates on public cases. */
import { fileURLToPath } from 'node:url';
import { type AST, RegExpParser, visitRegExpAST } from '@eslint-community/regexpp';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withSeed } from '#kit';
import { crsCases } from '../../../bench/kit/crs.ts';
import { decodeBase64, formsOf } from '../../../src/gateway/policies/decoders.ts';
import { compileScreening, RULES, screeningSchema } from '../../../src/gateway/policies/screening.ts';
import type { GatewayRequest } from '../../../src/gateway/policy.ts';
import { askNow, type RequestParts, requestOf } from './request.ts';

const screening = compileScreening(screeningSchema.parse({ mode: 'block' }));
const find = (request: GatewayRequest) => screening.find(request, request.body);
const groupsOf = (parts: RequestParts) => Object.keys(find(requestOf(parts)).groups);
const body = (type: string, text: string): RequestParts => ({
  method: 'POST',
  headers: { 'content-type': type },
  body: Buffer.from(text),
});
const ATTACK = "1' UNION SELECT password FROM users--";

describe('an attack is seen', () => {
  test.each<[string, RequestParts]>([
    ['in the query', { query: `id=${encodeURIComponent(ATTACK)}` }],
    ['in a name of the query', { query: `${encodeURIComponent(ATTACK)}=1` }],
    ['in the path', { path: `/things/${encodeURIComponent(ATTACK)}` }],
    ['in a header', { headers: { 'x-anything': ATTACK } }],
    ['in a cookie', { headers: { cookie: `a=b; c=${ATTACK}` } }],
    ['in the query of a referer', { headers: { referer: `https://a.example/?q=${encodeURIComponent(ATTACK)}` } }],
    ['in a form', body('application/x-www-form-urlencoded', `a=1&b=${encodeURIComponent(ATTACK)}`)],
    ['deep in JSON', body('application/json', JSON.stringify({ a: [{ b: ATTACK }] }))],
    ['in a key of JSON', body('application/json', JSON.stringify({ [ATTACK]: 1 }))],
    ['in what is called JSON and is not', body('application/json', `{${ATTACK}`)],
    ['in XML', body('application/xml', `<a b="${ATTACK.replaceAll("'", '&apos;')}"/>`)],
    [
      'in a part',
      body(
        'multipart/form-data; boundary=x',
        `--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n${ATTACK}\r\n--x--`,
      ),
    ],
    ['in text', body('text/plain', ATTACK)],
  ])('%s', (_, parts) => {
    expect(groupsOf(parts)).toContain('sql');
  });

  test.each([
    ['percent', '1%27%20union%20select%201'],
    ['percent twice', '1%2527%2520union%2520select%25201'],
    ['wide percent', '1%u0027%u0020union%u0020select%u00201'],
    ['entities', '1&#39; &#x75;nion &#115;elect 1'],
    ['escapes', '1\\u0027 \\x75nion \\u{73}elect 1'],
    ['full width', '1＇ ｕｎｉｏｎ ｓｅｌｅｃｔ 1'],
    ['comments', "1'/*a*/union/**/select/*b*/1"],
    ['executed comments', "1' /*!50000union*/ /*!select*/ 1"],
    ['base64', Buffer.from("1' union select 1 from users").toString('base64')],
    ['white space', "1'\tUnIoN\r\n\u00a0 SeLeCt 1"],
  ])('behind %s', (_, value) => {
    expect(groupsOf({ headers: { 'x-a': value } })).toContain('sql');
  });

  test.each([
    ['xss', '<img src=x onerror=alert(1)>'],
    ['xss', 'java&Tab;script:alert(1)'],
    ['path', '..%2f..%2fetc/passwd'],
    ['command', "; c'a't /e\\tc/passwd"],
    ['command', '$(whoami)'],
    ['command', 'a & for /f %x in (x) do y'],
    ['header', 'a%0d%0aSet-Cookie: b=c'],
  ])('of group %s: %s', (group, value) => {
    expect(groupsOf({ headers: { 'x-a': value } })).toContain(group);
  });
});

describe('the policy', () => {
  const attack = { query: `id=${encodeURIComponent(ATTACK)}` };

  test('refuses or only tells, and never says to the caller what it found', () => {
    expect(askNow(screening, requestOf(attack))).toMatchObject({
      allow: false,
      code: 'REQUEST_SUSPICIOUS',
      status: 403,
      details: {},
    });
    const told = requestOf(attack);
    const seen: boolean[] = [];
    const log = compileScreening(screeningSchema.parse({}), (refused) => seen.push(refused));
    expect(askNow(log, told)).toMatchObject({ allow: true, headers: {} });
    expect(told.notes.get('screening_score')).toBeGreaterThanOrEqual(5);
    expect(told.notes.get('screening_rules')).toContain('sql/union');
    expect(seen).toEqual([false]);
  });

  test('adds what it finds in a body to what it found in the head', () => {
    const half = { headers: { 'x-a': 'a%0d%0aX: y' } };
    const score = find(requestOf(half)).score;
    const check = compileScreening(screeningSchema.parse({ mode: 'block', threshold: score + 1 }));
    expect(askNow(check, requestOf(half)).allow).toBe(true);
    const both = requestOf({ ...half, ...body('text/plain', ATTACK), ...half });
    expect(askNow(check, both)).toMatchObject({ code: 'REQUEST_SUSPICIOUS' });
  });

  test('keeps to its threshold, its groups and what is excepted', () => {
    const check = (spec: object) =>
      askNow(compileScreening(screeningSchema.parse({ mode: 'block', ...spec })), requestOf(attack));
    expect(check({ threshold: 100 }).allow).toBe(true);
    expect(check({ groups: ['xss'] }).allow).toBe(true);
    expect(check({ except: ['id'] }).allow).toBe(true);
  });

  test.each([
    ["I'd like to select a seat near O'Connor, and the union meets at 5 or 6."],
    ['Rock & roll; or is it jazz? 100% of us (all 12) agree: <3'],
    ['Please update me at jane.doe+shop@example.com -- thanks!'],
    ['C:\\Users\\jane\\report.docx'],
    ['2026-11-24T23:00:00+01:00'],
    ['eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U'],
    ['Größe: 3½ × 2¼ m, Straße „Am Wall“'],
  ])('lets pass: %s', (text) => {
    expect(find(requestOf({ query: `q=${encodeURIComponent(text)}` })).rules).toEqual([]);
  });

  test('answers whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.uint8Array(),
        fc.constantFrom('json', 'xml', 'plain'),
        (text, bytes, type) => {
          const headers = { 'x-a': text, cookie: text, referer: text, 'content-type': `application/${type}` };
          const request = requestOf({ path: text, query: text, headers, body: Buffer.from(bytes) });
          expect(askNow(screening, request).allow).toBe(find(request).score < 5);
          expect(formsOf(text).tight).not.toMatch(/ /);
          expect(decodeBase64(text) ?? '').not.toMatch(/[^\t\n\r -~]/);
        },
      ),
      withSeed({ numRuns: 300 }),
    );
  });
});

/** The most repetitions of a pattern, nested ones multiplied; infinite where one has no bound. */
function repetitions(pattern: RegExp): number {
  let most = 1;
  const open: number[] = [1];
  const enter = ({ max }: AST.Quantifier) => {
    const product = (open.at(-1) as number) * max;
    open.push(product);
    most = Math.max(most, product);
  };
  visitRegExpAST(new RegExpParser().parseLiteral(pattern.toString()), {
    onQuantifierEnter: enter,
    onQuantifierLeave: () => open.pop(),
  });
  return most;
}

describe('every rule', () => {
  const rules = Object.entries(RULES).flatMap(([group, list]) => list.map((rule) => ({ ...rule, group })));

  test('repeats a bounded number of times, so that it takes linear time', () => {
    expect(repetitions(/a(b{0,3}c){2}/)).toBe(6);
    expect(repetitions(/a+/)).toBe(Number.POSITIVE_INFINITY);
    expect(
      rules.filter(({ pattern }) => repetitions(pattern) > 4096).map(({ group, name }) => `${group}/${name}`),
    ).toEqual([]);
  });

  test('has a name of its own and no flags', () => {
    const names = rules.map(({ group, name }) => `${group}/${name}`);
    expect(new Set(names).size).toBe(names.length);
    expect(rules.filter(({ pattern }) => pattern.flags !== '')).toEqual([]);
  });
});

describe('of the cases of the OWASP core rule set', () => {
  const cases = crsCases(fileURLToPath(new URL('../../..', import.meta.url)));
  const caught = (some: typeof cases) =>
    some.filter((one) => screening.find(one.request, one.body).score >= 5).length / some.length;

  test.each([['sql'], ['xss'], ['path'], ['command'], ['header']])('nine attacks in ten are caught: %s', (category) => {
    expect(caught(cases.filter((one) => one.attack && one.category === category))).toBeGreaterThanOrEqual(0.9);
  });

  test('two in a hundred harmless ones, which are no attack otherwise, are caught at most', () => {
    expect(caught(cases.filter((one) => !one.attack && one.attackElsewhere === undefined))).toBeLessThanOrEqual(0.02);
  });
});
