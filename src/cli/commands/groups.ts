/** `sluice groups`: where consumer groups are, and moving them. */
import { Command } from 'commander';
import { adminOf, globals } from '../connect.ts';
import { print, printJson, table } from '../output.ts';

interface Description {
  readonly group: string;
  readonly mode: 'stream' | 'queue';
  readonly queues: readonly {
    readonly topic: string;
    readonly in_flight: number;
    readonly away: number;
    readonly delayed: number;
    readonly waiting: number;
  }[];
  readonly members: readonly { readonly id: string }[];
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly committed: number | null;
    readonly durable: number;
    readonly lag: number;
    readonly member: string | null;
  }[];
}

export function groupsCommand(): Command {
  const groups = new Command('groups').description('list, describe, reset and delete consumer groups');
  groups
    .command('list', { isDefault: true })
    .description('names of all groups')
    .action(async (_flags: unknown, command: Command) => {
      const answer = await adminOf(command).list<string[] | Record<string, string[]>>('groups');
      const names = Array.isArray(answer) ? answer : (Object.values(answer).find(Array.isArray) ?? []);
      if (globals(command).json) await printJson(names);
      else await print(names.map((name) => `${typeof name === 'string' ? name : JSON.stringify(name)}\n`).join(''));
    });
  groups
    .command('describe')
    .description('members, offsets and lag')
    .argument('<group>')
    .action(async (name: string, _flags: unknown, command: Command) => {
      const group = await adminOf(command).group<Description>(name);
      if (globals(command).json) {
        await printJson(group);
        return;
      }
      const rows = group.partitions.map((one) => [
        one.topic,
        one.partition,
        one.committed,
        one.durable,
        one.lag,
        one.member,
      ]);
      await print(table(['TOPIC', 'PARTITION', 'COMMITTED', 'END', 'LAG', 'MEMBER'], rows));
      if (group.queues.length === 0) return;
      const depths = group.queues.map((one) => [one.topic, one.in_flight, one.away, one.delayed, one.waiting]);
      await print(`\n${table(['QUEUE', 'IN FLIGHT', 'AWAY', 'DELAYED', 'WAITING'], depths)}`);
    });
  groups
    .command('reset')
    .description('set where a group without members goes on')
    .argument('<group>')
    .argument('<topic>')
    .argument('<to>', 'earliest, latest, @<epoch ms>, or {"0": 5}')
    .action(async (name: string, topic: string, to: string, _flags: unknown, command: Command) => {
      await adminOf(command).resetGroup(
        name,
        topic,
        to.startsWith('{') ? (JSON.parse(to) as Record<number, number>) : to,
      );
      if (globals(command).json) await printJson({ reset: true, group: name, topic });
      else await print(`${name} reset on ${topic}\n`);
    });
  groups
    .command('delete')
    .description('forget a group and its offsets')
    .argument('<group>')
    .action(async (name: string, _flags: unknown, command: Command) => {
      await adminOf(command).delete('groups', name);
      if (globals(command).json) await printJson({ deleted: true, group: name });
      else await print(`${name} deleted\n`);
    });
  return groups.addHelpText(
    'after',
    '\nExamples:\n  $ sluice groups\n  $ sluice groups describe billing\n  $ sluice groups reset billing orders earliest',
  );
}
