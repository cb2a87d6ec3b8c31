/** `sluice gateway usage` and `quota`: what the log tells of who calls. */
import { Command, InvalidArgumentError } from 'commander';
import { adminOf, globals } from '../connect.ts';
import { print, printJson, table } from '../output.ts';

interface ApiUsage {
  readonly rows: readonly {
    readonly api: string;
    readonly version: string;
    readonly client: string | null;
    readonly requests: number;
    readonly last_at: number;
    readonly deprecated_fields: Readonly<Record<string, number>>;
  }[];
  readonly records: number;
  readonly lost: number;
  readonly complete: boolean;
}

interface ClientUsage {
  readonly plan: string | null;
  readonly quotas: readonly {
    readonly period: string;
    readonly requests: number;
    readonly used: number;
    readonly remaining: number;
    readonly until: number;
  }[];
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

export function usageCommand(): Command {
  return new Command('usage')
    .description('who calls which version of an API, and which deprecated field')
    .option('--api <name>', 'this API only')
    .option('--since <when>', '30d, 12h, 90m, or a date', sinceOf, Date.now() - 7 * (UNIT_MS['d'] as number))
    .action(async ({ api, since }: { api?: string; since: number }, command: Command) => {
      const query = new URLSearchParams({ since: String(since), ...(api === undefined ? {} : { api }) });
      const usage = await adminOf(command).call<ApiUsage>('GET', `/v1/gateway/usage?${query}`);
      if (globals(command).json) await printJson(usage);
      else await print(usageText(usage));
    });
}

export function quotaCommand(): Command {
  return new Command('quota')
    .description('what a client has used of its plan')
    .argument('<client>')
    .action(async (client: string, _flags: unknown, command: Command) => {
      const path = `/v1/clients/${encodeURIComponent(client)}/usage`;
      const usage = await adminOf(command).call<ClientUsage>('GET', path);
      if (globals(command).json) return printJson(usage);
      if (usage.plan === null) return print(`${client} has no plan\n`);
      const rows = usage.quotas.map((one) => [one.period, one.requests, one.used, one.remaining, iso(one.until)]);
      await print(table(['PERIOD', 'REQUESTS', 'USED', 'REMAINING', 'UNTIL'], rows));
    });
}

function usageText({ rows, records, lost, complete }: ApiUsage): string {
  const lines = rows.map(({ api, version, client, requests, last_at, deprecated_fields }) => {
    const fields = Object.entries(deprecated_fields).map(([field, count]) => `${field} (${Math.round(count)})`);
    return [api, version, client, Math.round(requests), iso(last_at), fields.join(', ')];
  });
  const head = table(['API', 'VERSION', 'CLIENT', 'REQUESTS', 'LAST', 'DEPRECATED FIELDS'], lines);
  const more = complete ? '' : '; there are more than were looked at, so choose a later time';
  return `${head}\n${records} records looked at, ${lost} lost${more}\n`;
}

function iso(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 19).concat('Z');
}

function sinceOf(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const at = count === undefined ? Date.parse(text) : Date.now() - Number(count) * (UNIT_MS[unit] as number);
  if (Number.isNaN(at)) throw new InvalidArgumentError('30d, 12h, 90m, or a date such as 2026-01-31 is needed');
  return Math.max(0, at);
}
