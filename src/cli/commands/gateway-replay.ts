/** `sluice gateway capture` and `replay`: keep requests of a route, and send them to another server to see what differs. */
import { Command, InvalidArgumentError } from 'commander';
import type { Admin } from '#client';
import type { CapturedRequest } from '#gateway';
import { SluiceError } from '#kernel';
import { adminOf, globals } from '../connect.ts';
import { print, printJson } from '../output.ts';
import type { ReplayReport } from '../replay.ts';

interface CaptureFlags {
  readonly minutes?: number;
  readonly percent: number;
  readonly stop: boolean;
}

interface ReplayFlags {
  readonly route: string;
  readonly to?: string;
  readonly upstream?: string;
  readonly rewritten: boolean;
  readonly version?: string;
  readonly versionHeader: string;
  readonly header: readonly string[];
  readonly unsafe: boolean;
  readonly rate: number;
  readonly concurrency: number;
  readonly timeout: number;
  readonly from: string;
  readonly limit: number;
  readonly ignore: readonly string[];
  readonly unordered: readonly string[];
  readonly ignoreHeader: readonly string[];
  readonly tolerance: number;
  readonly show: number;
}

const MINUTE_MS = 60_000;
const READ_BYTES = 4 * 1024 * 1024;
const TEXT_CHARS = 100;

export function captureCommand(): Command {
  return new Command('capture')
    .description('keep requests and answers of a route, from now on')
    .argument('<route>')
    .option('--minutes <n>', 'for so long; default: until --stop', above0)
    .option('--percent <n>', 'this share of them', above0, 100)
    .option('--stop', 'keep no more; what is kept stays', false)
    .action(async (route: string, { minutes, percent, stop }: CaptureFlags, command: Command) => {
      const admin = adminOf(command);
      const { spec, version } = await admin.get('routes', route);
      const { capture: before, ...rest } = spec as { capture?: object };
      const until = minutes === undefined ? {} : { until: new Date(Date.now() + minutes * MINUTE_MS).toISOString() };
      const { until: _, ...kept } = (before ?? {}) as { until?: string };
      const changed = stop ? rest : { ...rest, capture: { ...kept, percent, ...until } };
      const document = await admin.put('routes', route, changed, { ifMatch: version });
      if (globals(command).json) return printJson(document);
      await print(`${route} ${stop ? 'is captured no more' : 'is captured'}, version ${document.version}\n`);
    });
}

export function replayCommand(): Command {
  return new Command('replay')
    .description('send captured requests to another server, and compare its answers with those of then')
    .requiredOption('--route <route>', 'whose captures')
    .option('--to <url>', 'where to, e.g. http://127.0.0.1:3001')
    .option('--upstream <upstream>', 'to the first target of an upstream, past the gateway')
    .option('--rewritten', 'ask for the path the upstream was asked for; --upstream always does', false)
    .option('--version <version>', 'the API version to ask for')
    .option('--version-header <name>', 'in this header', 'api-version')
    .option('--header <header...>', "'name: value', also in place of a credential that was left out", [])
    .option('--unsafe', 'also POST, PUT, PATCH and DELETE: the other server will do what they say', false)
    .option('--rate <n>', 'requests a second', above0, 50)
    .option('--concurrency <n>', 'under way at once', above0, 4)
    .option('--timeout <ms>', 'of one request', above0, 30_000)
    .option('--from <offset>', 'earliest, @<epoch ms> or an offset', 'earliest')
    .option('--limit <n>', 'captures at most', above0, Number.POSITIVE_INFINITY)
    .option('--ignore <pointer...>', 'places in JSON bodies that are not compared, e.g. /meta or /items/*/id', [])
    .option('--unordered <pointer...>', 'lists in JSON bodies whose order does not matter', [])
    .option('--ignore-header <name...>', 'headers that are not compared', [])
    .option('--tolerance <n>', 'numbers may differ by so much', notBelow0, 0)
    .option('--show <n>', 'requests with differences that are told of', notBelow0, 10)
    .addHelpText(
      'after',
      '\nExit codes: 0 no differences, 1 some, or requests that got no answer, 2 wrong use.\n' +
        '\nExample:\n  $ sluice gateway replay --route shop --to http://127.0.0.1:3001 --ignore /generated_at',
    )
    .action(async (flags: ReplayFlags, command: Command) => {
      const admin = adminOf(command);
      const to = await destination(admin, flags);
      // No other command needs the gateway's code.
      const [{ Comparison, captureTopic }, { Replay }] = await Promise.all([
        import('#gateway'),
        import('../replay.ts'),
      ]);
      const { rewritten, unsafe, rate, concurrency, timeout, show, ignore, unordered, ignoreHeader, tolerance } = flags;
      const replay = new Replay({
        to: to.replace(/\/$/, ''),
        rewritten: rewritten || flags.upstream !== undefined,
        unsafe,
        ratePerS: rate,
        concurrency,
        timeoutMs: timeout,
        headers: headersOf(flags),
        comparison: new Comparison({ ignore, unordered, tolerance, ignoreHeaders: ignoreHeader }),
        shownMax: show,
      });
      for await (const captured of captures(admin, captureTopic(flags.route), flags)) await replay.take(captured);
      const report = await replay.end();
      if (globals(command).json) await printJson(report);
      else await print(told(report));
      if (report.different + report.failed > 0) process.exitCode = 1;
    });
}

/** @throws CONFIG_INVALID, RESOURCE_UNKNOWN */
async function destination(admin: Admin, { to, upstream }: ReplayFlags): Promise<string> {
  if ((to === undefined) === (upstream === undefined)) {
    throw new SluiceError('CONFIG_INVALID', 'say where to: --to or --upstream');
  }
  if (to !== undefined) {
    if (URL.canParse(to) && /^https?:\/\/[^?#]+$/.test(to)) return to;
    throw new SluiceError('CONFIG_INVALID', `${to} is not a URL such as http://127.0.0.1:3001`);
  }
  const { spec } = await admin.get('upstreams', upstream as string);
  return (spec as { targets: [{ url: string }] }).targets[0].url;
}

function headersOf({ header, version, versionHeader }: ReplayFlags): Map<string, string> {
  const headers = new Map<string, string>();
  if (version !== undefined) headers.set(versionHeader.toLowerCase(), version);
  for (const text of header) {
    const at = text.indexOf(':');
    if (at < 1) throw new SluiceError('CONFIG_INVALID', `${text} is not a header such as 'name: value'`);
    headers.set(text.slice(0, at).trim().toLowerCase(), text.slice(at + 1).trim());
  }
  return headers;
}

/** What is captured until now, oldest first. */
async function* captures(admin: Admin, topic: string, { from, limit }: ReplayFlags): AsyncIterable<CapturedRequest> {
  const path = `/v1/topics/${encodeURIComponent(topic)}/partitions/0/records`;
  let left = limit;
  for (let offset = from; ; ) {
    const page = await admin.call<{ records: { value: CapturedRequest }[]; next: number; durable: number }>(
      'GET',
      `${path}?offset=${encodeURIComponent(offset)}&max_bytes=${READ_BYTES}`,
    );
    for (const { value } of page.records) {
      if (left-- <= 0) return;
      yield value;
    }
    if (page.records.length === 0 || page.next >= page.durable) return;
    offset = String(page.next);
  }
}

function told({ replayed, same, different, failed, skipped, places, first }: ReplayReport): string {
  const lines = [`${replayed} replayed: ${same} the same, ${different} different, ${failed} without an answer`];
  for (const [why, count] of Object.entries(skipped)) lines.push(`${count} skipped: ${why}`);
  const sorted = Object.entries(places).sort(([, a], [, b]) => b - a);
  for (const [place, count] of sorted) lines.push(`${count} differ in ${place}`);
  for (const { id, method, target, differences } of first) {
    lines.push('', `${method} ${target} (${id})`);
    for (const { where, before, after } of differences) lines.push(`  ${where}: ${shown(before)} → ${shown(after)}`);
  }
  return `${lines.join('\n')}\n`;
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > TEXT_CHARS ? `${text.slice(0, TEXT_CHARS - 1)}…` : text;
}

function notBelow0(text: string): number {
  const number = Number(text);
  if (text.trim() !== '' && number >= 0 && Number.isFinite(number)) return number;
  throw new InvalidArgumentError('must be a number, not below 0');
}

function above0(text: string): number {
  const number = notBelow0(text);
  if (number > 0) return number;
  throw new InvalidArgumentError('must be above 0');
}
