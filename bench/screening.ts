/** How much of what it should catch does the screening policy catch, and how much else? Cases of the OWASP core rule set. */
import { fileURLToPath } from 'node:url';
import { compileScreening, type Screening, screeningSchema } from '#gateway';
import { type CrsCase, crsCases } from './kit/crs.ts';
import { harmlessTexts } from './kit/harmless.ts';
import { options } from './kit/options.ts';
import { fixed, printResult, printTable, whole } from './kit/report.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Share {
  readonly of: number;
  readonly caught: number;
}

function share(screening: Screening, cases: readonly CrsCase[], threshold: number): Share {
  const caught = cases.filter(({ request, body }) => screening.find(request, body).score >= threshold).length;
  return { of: cases.length, caught };
}

const percent = ({ of, caught }: Share) => (of === 0 ? 0 : (100 * caught) / of);
const told = (one: Share) => `${fixed(percent(one))} % (${one.caught} of ${one.of})`;

/** Words and sentences of public data sets, each as a parameter. Nothing was tuned on them. */
function shareOfTexts(screening: Screening, threshold: number): Share {
  const texts = harmlessTexts(ROOT);
  const find = (text: string) =>
    screening.find({ path: '/search', headers: [], query: `q=${encodeURIComponent(text)}` });
  const caught = texts.filter((text) => find(text).score >= threshold);
  return { of: texts.length, caught: caught.length };
}

function microsecondsOf(screening: Screening, cases: readonly CrsCase[], rounds: number): number {
  const startedAt = performance.now();
  for (let i = 0; i < rounds; i++) for (const { request, body } of cases) screening.find(request, body);
  return ((performance.now() - startedAt) * 1000) / (rounds * cases.length);
}

export async function run(): Promise<void> {
  const { threshold, rounds } = options({ threshold: 5, rounds: 5 });
  const screening = compileScreening(screeningSchema.parse({ mode: 'block', threshold }));
  const cases = crsCases(ROOT);
  const categories = [...new Set(cases.map(({ category }) => category))];
  const rows = [...categories, 'all'].map((name) => {
    const own = name === 'all' ? cases : cases.filter(({ category }) => category === name);
    const harmless = own.filter(({ attack }) => !attack);
    const unlisted = harmless.filter(({ attackElsewhere }) => attackElsewhere !== 'listed');
    const unread = unlisted.filter(({ attackElsewhere }) => attackElsewhere !== 'read');
    const attacks = share(
      screening,
      own.filter(({ attack }) => attack),
      threshold,
    );
    const [every, rest, left] = [harmless, unlisted, unread].map((some) => share(screening, some, threshold));
    return { name, attacks, every: every as Share, rest: rest as Share, left: left as Share };
  });
  for (const { name, attacks, every, rest, left } of rows) {
    printTable(`screening: ${name}, threshold ${threshold}`, [
      ['attacks caught', told(attacks)],
      ['cases harmless to their own rule, caught', told(every)],
      ['… without those that are an attack to another rule', told(rest)],
      ['… and without those that we read as an attack', told(left)],
    ]);
  }
  const texts = shareOfTexts(screening, threshold);
  const us = microsecondsOf(screening, cases, rounds);
  printTable('screening: not tuned on', [
    ['names, titles and sentences of data sets, caught', told(texts)],
    ['time for a request', `${whole(us)} µs`],
  ]);
  const all = rows.at(-1);
  printResult({
    bench: 'screening',
    caught_percent: Number(percent(all?.attacks as Share).toFixed(1)),
    false_percent: Number(percent(all?.left as Share).toFixed(1)),
    false_unlisted_percent: Number(percent(all?.rest as Share).toFixed(1)),
    false_all_percent: Number(percent(all?.every as Share).toFixed(1)),
    false_texts_percent: Number(percent(texts).toFixed(2)),
    us_per_request: Math.round(us),
    threshold,
  });
}
