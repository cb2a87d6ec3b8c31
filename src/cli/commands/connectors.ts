/** `sluice connectors`: which connectors there are, and what one of them wants to know. */
import { Command } from 'commander';
import { adminOf, globals } from '../connect.ts';
import { print, printJson, table } from '../output.ts';

interface Connector {
  readonly name: string;
  readonly origin: string;
  readonly title?: string;
  readonly description?: string;
  readonly types?: readonly string[];
  readonly proof?: string;
  readonly can?: readonly string[];
  readonly config?: {
    readonly required?: readonly string[];
    readonly properties?: Readonly<
      Record<string, { readonly type?: string; readonly description?: string; readonly secret?: boolean }>
    >;
  };
  readonly error: { readonly code: string; readonly message: string } | null;
}

export function connectorsCommand(): Command {
  return new Command('connectors')
    .description('list connectors, or the settings of one')
    .argument('[name]')
    .addHelpText('after', '\nExamples:\n  $ sluice connectors\n  $ sluice connectors postgres')
    .action(async (name: string | undefined, _flags: unknown, command: Command) => {
      const admin = adminOf(command);
      if (name === undefined) {
        const all = await admin.call<Connector[]>('GET', '/v1/connectors');
        if (globals(command).json) return printJson(all);
        const rows = all.map((one) => [
          one.name,
          one.types?.join(' '),
          one.proof,
          one.error === null ? one.can?.join(' ') : `${one.error.code}: ${one.error.message}`,
        ]);
        return print(table(['NAME', 'TYPES', 'PROOF', 'CAN'], rows));
      }
      const one = await admin.call<Connector>('GET', `/v1/connectors/${encodeURIComponent(name)}`);
      if (globals(command).json) return printJson(one);
      if (one.error !== null) return print(`${one.name}: ${one.error.code}: ${one.error.message}\n`);
      await print(`${one.title}: ${one.description}\n\n`);
      const { properties = {}, required = [] } = one.config ?? {};
      const rows = Object.entries(properties).map(([setting, { type, description, secret }]) => [
        setting,
        secret === true ? 'secret' : type,
        required.includes(setting) ? 'yes' : 'no',
        description,
      ]);
      await print(table(['SETTING', 'TYPE', 'NEEDED', 'MEANING'], rows));
    });
}
