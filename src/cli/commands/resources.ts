/** `sluice apply`, `get`, `delete`, `history`, `rollback`: resources of every kind. */
import { readFileSync } from 'node:fs';
import { text as readAll } from 'node:stream/consumers';
import { Command } from 'commander';
import type { ResourceDocument } from '#client';
import { SluiceError } from '#kernel';
import { adminOf, globals } from '../connect.ts';
import { print, printJson, table } from '../output.ts';

interface Declared {
  readonly kind: string;
  readonly name: string;
  readonly spec: unknown;
}

export function resourceCommands(): Command[] {
  return [applyCommand(), getCommand(), deleteCommand(), historyCommand(), rollbackCommand()];
}

/** `topic` and `topics` both mean the kind. */
function plural(kind: string): string {
  return kind.endsWith('s') ? kind : `${kind}s`;
}

function applyCommand(): Command {
  return new Command('apply')
    .description('create or change what a file declares')
    .requiredOption('-f, --file <file>', 'YAML or JSON, several documents allowed; - reads standard input')
    .option('--dry-run', 'say what would change', false)
    .addHelpText(
      'after',
      "\nExample:\n  $ printf 'kind: topic\\nname: orders\\nspec: {partitions: 8}\\n' | sluice apply -f -",
    )
    .action(async ({ file, dryRun }: { file: string; dryRun: boolean }, command: Command) => {
      const admin = adminOf(command);
      for (const { kind, name, spec } of await readDeclared(file)) {
        const document = await admin.put(plural(kind), name, spec, { dryRun });
        if (globals(command).json) await printJson(document);
        else if (dryRun) await print(`${kind}/${name} ${JSON.stringify(document)}\n`);
        else await print(`${kind}/${name} version ${document.version}\n`);
        // Text output must carry it too: from the first client on nobody gets in without a key.
        if (!globals(command).json && document.key !== undefined) await print(`key ${document.key} (shown only now)\n`);
      }
    });
}

async function readDeclared(file: string): Promise<Declared[]> {
  const source = file === '-' ? await readAll(process.stdin) : readFile(file);
  const { parseAllDocuments } = await import('yaml');
  const documents = parseAllDocuments(source);
  if (!Array.isArray(documents)) return [];
  return documents.map((document, index) => {
    const [problem] = document.errors;
    if (problem !== undefined) throw new SluiceError('CONFIG_INVALID', `document ${index + 1}: ${problem.message}`);
    const declared = document.toJS() as Partial<Declared> | null;
    if (typeof declared?.kind !== 'string' || typeof declared.name !== 'string') {
      throw new SluiceError('CONFIG_INVALID', `document ${index + 1} needs kind, name and spec`);
    }
    return { kind: declared.kind, name: declared.name, spec: declared.spec ?? {} };
  });
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new SluiceError('CONFIG_INVALID', `${path} cannot be read`, {}, error);
  }
}

function getCommand(): Command {
  return new Command('get')
    .description('show one resource, or all of a kind')
    .argument('<kind>', 'e.g. topic')
    .argument('[name]')
    .addHelpText('after', '\nExamples:\n  $ sluice get topics\n  $ sluice get topic orders --json')
    .action(async (kind: string, name: string | undefined, _flags: unknown, command: Command) => {
      const admin = adminOf(command);
      if (name !== undefined) {
        const document = await admin.get(plural(kind), name);
        await print(`${JSON.stringify(document, null, globals(command).json ? 0 : 2)}\n`);
        return;
      }
      const answer = await admin.list<ResourceDocument[] | Record<string, ResourceDocument[]>>(plural(kind));
      const documents = Array.isArray(answer) ? answer : (Object.values(answer).find(Array.isArray) ?? []);
      if (globals(command).json) await printJson(documents);
      else
        await print(
          table(
            ['NAME', 'VERSION', 'SPEC'],
            documents.map((one) => [one.name, one.version, JSON.stringify(one.spec)]),
          ),
        );
    });
}

function deleteCommand(): Command {
  return new Command('delete')
    .description('delete a resource; a topic goes with its records')
    .argument('<kind>')
    .argument('<name>')
    .addHelpText('after', '\nExample:\n  $ sluice delete topic orders')
    .action(async (kind: string, name: string, _flags: unknown, command: Command) => {
      await adminOf(command).delete(plural(kind), name);
      if (globals(command).json) await printJson({ deleted: true, kind, name });
      else await print(`${kind}/${name} deleted\n`);
    });
}

interface Change {
  readonly version: number;
  readonly action: string;
  readonly at: number;
  readonly by: string | null;
  readonly changes: readonly { readonly path: string; readonly from: unknown; readonly to: unknown }[];
}

function historyCommand(): Command {
  return new Command('history')
    .description('who changed a resource, when, and how')
    .argument('<kind>')
    .argument('<name>')
    .addHelpText('after', '\nExample:\n  $ sluice history topic orders')
    .action(async (kind: string, name: string, _flags: unknown, command: Command) => {
      const answer = await adminOf(command).history<Change[] | Record<string, Change[]>>(plural(kind), name);
      const entries = Array.isArray(answer) ? answer : (Object.values(answer).find(Array.isArray) ?? []);
      if (globals(command).json) {
        await printJson(entries);
        return;
      }
      const rows = (entries as Change[]).map(({ version, action, at, by, changes }) => [
        version,
        new Date(at).toISOString(),
        by,
        action,
        changes
          .map((change) => `${change.path}: ${JSON.stringify(change.from)} → ${JSON.stringify(change.to)}`)
          .join(', '),
      ]);
      await print(table(['VERSION', 'AT', 'BY', 'ACTION', 'CHANGES'], rows));
    });
}

function rollbackCommand(): Command {
  return new Command('rollback')
    .description('make an earlier version the newest one')
    .argument('<kind>')
    .argument('<name>')
    .argument('<version>')
    .addHelpText('after', '\nExample:\n  $ sluice rollback topic orders 1')
    .action(async (kind: string, name: string, version: string, _flags: unknown, command: Command) => {
      const document = await adminOf(command).rollback(plural(kind), name, Number(version));
      if (globals(command).json) await printJson(document);
      else await print(`${kind}/${name} version ${document.version}\n`);
    });
}
