/** `sluice dead`: records that were given up, why, and sending them again or letting them go. */
import { Command } from 'commander';
import type { Admin, DeadLetterDocument } from '#client';
import { SluiceError } from '#kernel';
import { adminOf, globals } from '../connect.ts';
import { print, printJson, table } from '../output.ts';

interface Flags {
  readonly source?: string;
  readonly all: boolean;
}

const MESSAGE_CHARS = 60;

export function deadCommand(): Command {
  const dead = new Command('dead').description('look at dead letters, send their records again, or drop them');
  dead.addCommand(listCommand(), { isDefault: true });
  for (const command of [showCommand(), retryCommand(), dropCommand()]) dead.addCommand(command);
  return dead.addHelpText(
    'after',
    '\nExamples:\n  $ sluice dead\n  $ sluice dead list orders --source group:billing\n  $ sluice dead show orders 17\n  $ sluice dead retry orders 17 18\n  $ sluice dead drop orders --all',
  );
}

function listCommand(): Command {
  return new Command('list')
    .description('topics with dead letters, or the letters of one')
    .argument('[topic]')
    .option('--source <source>', 'only those of group:NAME or processor:NAME')
    .action(async (topic: string | undefined, { source }: Flags, command: Command) => {
      const admin = adminOf(command);
      const { json } = globals(command);
      if (topic === undefined) {
        const boxes = await admin.deadBoxes();
        if (json) await printJson(boxes);
        else
          await print(
            table(
              ['TOPIC', 'LETTERS'],
              boxes.map((box) => [box.topic, box.letters]),
            ),
          );
        return;
      }
      const letters: DeadLetterDocument[] = [];
      for (let from: number | null = 0; from !== null; ) {
        const page = await admin.deadLetters(topic, { from, ...(source === undefined ? {} : { source }) });
        letters.push(...page.letters);
        from = page.next;
      }
      if (json) await printJson(letters);
      else await print(table(['ID', 'AT', 'RECORD', 'KEY', 'SOURCE', 'ATTEMPTS', 'CODE', 'MESSAGE'], letters.map(row)));
    });
}

function row({ id, at, partition, offset, record, source, attempts, code, message }: DeadLetterDocument): unknown[] {
  const [line = ''] = message.split('\n');
  const short = line.length > MESSAGE_CHARS ? `${line.slice(0, MESSAGE_CHARS - 1)}…` : line;
  const key = record['key'] ?? record['key_base64'];
  return [id, new Date(at).toISOString(), `${partition}/${offset}`, key, source, attempts, code, short];
}

function showCommand(): Command {
  return new Command('show')
    .description('a letter in full: the record, and why it was given up')
    .argument('<topic>')
    .argument('<id>')
    .action(async (topic: string, id: string, _flags: unknown, command: Command) => {
      const letter = await adminOf(command).deadLetter(topic, idOf(id));
      await print(`${JSON.stringify(letter, null, globals(command).json ? 0 : 2)}\n`);
    });
}

function retryCommand(): Command {
  return lettersCommand({
    name: 'retry',
    description: 'append the records of letters to their topic again',
    named: async (admin, topic, ids, json) => {
      for (const id of ids) {
        const resent = await admin.retryDead(topic, id);
        if (json) await printJson({ topic, ...resent });
        else await print(`${topic} ${id} is again at ${resent.partition}/${resent.offset}\n`);
      }
    },
    all: async (admin, topic, source, json) => {
      const answer = await admin.retryAllDead(topic, source);
      if (json) await printJson({ topic, ...answer });
      else await print(`${answer.retried} records of ${topic} appended again\n`);
    },
  });
}

function dropCommand(): Command {
  const told = (topic: string, dropped: number, json: boolean) =>
    json ? printJson({ topic, dropped }) : print(`${dropped} dead letters of ${topic} dropped\n`);
  return lettersCommand({
    name: 'drop',
    description: 'let letters go for good',
    named: async (admin, topic, ids, json) => {
      for (const id of ids) await admin.dropDead(topic, id);
      await told(topic, ids.length, json);
    },
    all: async (admin, topic, source, json) => {
      const { dropped } = await admin.dropAllDead(topic, source);
      await told(topic, dropped, json);
    },
  });
}

interface LettersAct {
  readonly name: string;
  readonly description: string;
  named(admin: Admin, topic: string, ids: readonly number[], json: boolean): Promise<void>;
  all(admin: Admin, topic: string, source: ReturnType<typeof sourceOf>, json: boolean): Promise<void>;
}

/** Something that is done to letters that are named by their ids, or to all of a topic. */
function lettersCommand({ name, description, named, all }: LettersAct): Command {
  return new Command(name)
    .description(description)
    .argument('<topic>')
    .argument('[ids...]')
    .option('--all', 'all letters of the topic', false)
    .option('--source <source>', 'with --all, only those of group:NAME or processor:NAME')
    .action(async (topic: string, ids: readonly string[], flags: Flags, command: Command) => {
      const { json } = globals(command);
      const admin = adminOf(command);
      if (areNamed(ids, flags)) await named(admin, topic, ids.map(idOf), json);
      else await all(admin, topic, sourceOf(flags), json);
    });
}

/** True: the letters are named; false: all are meant. @throws CONFIG_INVALID when it is neither, or both */
function areNamed(ids: readonly string[], { all, source }: Flags): boolean {
  if (all !== ids.length > 0 && (source === undefined || all)) return !all;
  throw new SluiceError('CONFIG_INVALID', 'name the ids of letters, or say --all');
}

function sourceOf({ source }: Flags): { source?: string } {
  return source === undefined ? {} : { source };
}

function idOf(text: string): number {
  if (/^\d{1,16}$/.test(text)) return Number(text);
  throw new SluiceError('CONFIG_INVALID', `${text} is not the id of a dead letter`);
}
