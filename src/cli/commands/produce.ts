/** `sluice produce`: lines of standard input, or of a file, become records. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Command, Option } from 'commander';
import type { Producer } from '#client';
import { SluiceError } from '#kernel';
import { clientOf, globals } from '../connect.ts';
import { printJson } from '../output.ts';

interface Flags {
  readonly file?: string;
  readonly format: 'json' | 'text' | 'records';
  readonly key?: string;
  readonly recordKey?: string;
  readonly keyField?: string;
  readonly durability: 'fsync' | 'memory';
}

interface Line {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly timestamp?: number;
  readonly partition?: number;
}

export function produceCommand(): Command {
  return new Command('produce')
    .description('store each line of the input as a record')
    .argument('<topic>')
    .option('--file <file>', 'read this instead of standard input')
    .addOption(
      new Option(
        '--format <format>',
        'json: a line is a value; text: any bytes; records: {"key","value","timestamp","partition"}',
      )
        .choices(['json', 'text', 'records'])
        .default('json'),
    )
    .option('--record-key <key>', 'the key of every record')
    .option('--key-field <name>', 'the member of each JSON value that is the key')
    .addOption(
      new Option('--durability <level>', 'when a record counts as stored')
        .choices(['fsync', 'memory'])
        .default('fsync'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ cat orders.ndjson | sluice produce orders --key-field customer\n  $ echo hello | sluice produce log --format text',
    )
    .action(async (topic: string, flags: Flags, command: Command) => {
      const client = await clientOf(command);
      try {
        const producer = client.producer({ topic, durability: flags.durability, lingerMs: 20 });
        await producer.prepare();
        const count = await produceLines(producer, topic, flags);
        await producer.close();
        if (globals(command).json) await printJson({ topic, produced: count });
        else process.stderr.write(`${count} records stored in ${topic}\n`);
      } finally {
        client.close();
      }
    });
}

async function produceLines(producer: Producer, topic: string, flags: Flags): Promise<number> {
  const input = flags.file === undefined ? process.stdin : createReadStream(flags.file);
  let count = 0;
  for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (text === '') continue;
    const line = readLine(text, count + 1, flags);
    count++;
    if (!producer.push(line.key, line.value, line.timestamp, topic, line.partition)) await producer.ready();
  }
  return count;
}

function readLine(text: string, number: number, flags: Flags): Line {
  const fixedKey = flags.recordKey === undefined ? null : Buffer.from(flags.recordKey);
  if (flags.format === 'text') return { key: fixedKey, value: Buffer.from(text) };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new SluiceError(
      'REQUEST_MALFORMED',
      `line ${number} is not valid JSON; --format text takes any line`,
      { line: number },
      error,
    );
  }
  if (flags.format === 'json') {
    return { key: fixedKey ?? keyOf(parsed, flags.keyField), value: Buffer.from(text) };
  }
  const { key, value, timestamp, partition } = parsed as Record<string, unknown>;
  return {
    key: typeof key === 'string' ? Buffer.from(key) : fixedKey,
    value: value === undefined || value === null ? null : Buffer.from(JSON.stringify(value)),
    ...(typeof timestamp === 'number' ? { timestamp } : {}),
    ...(typeof partition === 'number' ? { partition } : {}),
  };
}

function keyOf(value: unknown, field: string | undefined): Uint8Array | null {
  if (field === undefined || typeof value !== 'object' || value === null) return null;
  const key = (value as Record<string, unknown>)[field];
  return key === undefined || key === null ? null : Buffer.from(String(key));
}
