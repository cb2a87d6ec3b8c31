/** `sluice consume`: records as lines of JSON, going on until it is stopped or has what it was asked for. */
import { Command, Option } from 'commander';
import type { ConsumedRecord, ConsumerOptions } from '#client';
import { SluiceError } from '#kernel';
import { clientOf } from '../connect.ts';
import { print } from '../output.ts';

interface Flags {
  readonly from: string;
  readonly group?: string;
  readonly partition?: string;
  readonly max?: string;
  readonly untilEnd: boolean;
  readonly queue: boolean;
  readonly format: 'records' | 'values';
}

export function consumeCommand(): Command {
  return new Command('consume')
    .description('print records as they come, one JSON object a line')
    .argument('<topic>')
    .option('--from <place>', 'earliest, latest, @<epoch ms>, or an offset with --partition', 'latest')
    .option('--group <name>', 'share the topic with others of the group, and remember where it is')
    .option('--partition <n>', 'only this partition')
    .option('--queue', 'as a member of the group in mode queue: record by record, each acknowledged by itself', false)
    .option('--max <n>', 'stop after this many records')
    .option('--until-end', 'stop at what is the end now', false)
    .addOption(
      new Option('--format <format>', 'records with offset and key, or values alone')
        .choices(['records', 'values'])
        .default('records'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice consume orders --from earliest | jq .value\n  $ sluice consume orders --from earliest --until-end --format values > orders.ndjson\n  $ sluice consume orders --group mail --queue',
    )
    .action(async (topic: string, flags: Flags, command: Command) => {
      if (flags.queue) return consumeQueue(topic, flags, command);
      const client = await clientOf(command);
      const consumer = client.consumer(consumerOptions(topic, flags));
      const stop = () => void consumer.close();
      process.once('SIGINT', stop);
      try {
        const ends = flags.untilEnd ? await endsOf(client.admin.partitions(topic), flags) : undefined;
        let left = flags.max === undefined ? Number.POSITIVE_INFINITY : Number(flags.max);
        if (left > 0 && (ends === undefined || ends.size > 0)) {
          for await (const record of consumer) {
            await print(`${lineOf(record, flags.format)}\n`);
            consumer.ack(record);
            left--;
            if (ends !== undefined && record.offset + 1 >= (ends.get(record.partition) ?? 0))
              ends.delete(record.partition);
            if (left === 0 || ends?.size === 0) break;
          }
        }
        await consumer.close();
      } finally {
        process.removeListener('SIGINT', stop);
        client.close();
      }
    });
}

/** Prints and acknowledges record by record. What was printed last is acknowledged before it ends. */
async function consumeQueue(topic: string, flags: Flags, command: Command): Promise<void> {
  const { group, from, partition, untilEnd, max, format } = flags;
  if (group === undefined) throw new SluiceError('CONFIG_INVALID', '--queue needs --group');
  if (partition !== undefined || untilEnd) {
    throw new SluiceError('CONFIG_INVALID', '--queue takes neither --partition nor --until-end');
  }
  if (!isPlace(from)) throw new SluiceError('CONFIG_INVALID', `--from ${from} is not earliest, latest or @<ms>`);
  const client = await clientOf(command);
  const consumer = client.consumer({ mode: 'queue', topic, group, from });
  const stop = () => void consumer.close();
  process.once('SIGINT', stop);
  try {
    let left = max === undefined ? Number.POSITIVE_INFINITY : Number(max);
    if (left > 0) {
      for await (const record of consumer) {
        await print(`${lineOf(record, format, { attempt: record.attempt })}\n`);
        left--;
        if (left > 0) continue;
        await consumer.ackDurably(record);
        break;
      }
    }
    await consumer.close();
  } finally {
    process.removeListener('SIGINT', stop);
    client.close();
  }
}

function isPlace(from: string): from is 'earliest' | 'latest' | `@${number}` {
  return from === 'earliest' || from === 'latest' || /^@\d+$/.test(from);
}

function consumerOptions(topic: string, { from, group, partition }: Flags): ConsumerOptions {
  const options = { topic, permits: 10_000, ...(group === undefined ? {} : { group }) };
  const partitions = partition === undefined ? {} : { partitions: [Number(partition)] };
  if (isPlace(from)) return { ...options, ...partitions, from };
  if (!/^\d+$/.test(from))
    throw new SluiceError('CONFIG_INVALID', `--from ${from} is not earliest, latest, @<ms> or an offset`);
  if (partition === undefined) throw new SluiceError('CONFIG_INVALID', 'an offset needs --partition');
  return { ...options, ...partitions, from: { [Number(partition)]: Number(from) } };
}

/** Partition → its end now, where there is anything to read. */
async function endsOf(
  partitions: Promise<readonly { partition: number; start: number; durable: number }[]>,
  { partition: only }: Flags,
): Promise<Map<number, number>> {
  const readable = (await partitions).filter(({ start, durable }) => durable > start);
  const wanted = readable.filter(({ partition }) => only === undefined || partition === Number(only));
  return new Map(wanted.map(({ partition, durable }) => [partition, durable]));
}

function lineOf(record: ConsumedRecord, format: Flags['format'], more: Readonly<Record<string, number>> = {}): string {
  const value = payload('value', record.value);
  if (format === 'values') return JSON.stringify(value['value'] ?? value['value_base64'] ?? null);
  const { partition, offset, timestamp, key, headers } = record;
  const named = Object.fromEntries(headers.map((header) => [header.key, textOf(header.value)]));
  return JSON.stringify({ partition, offset, ...more, timestamp, ...keyMember(key), ...value, headers: named });
}

function keyMember(key: Uint8Array | null): Record<string, unknown> {
  const text = textOf(key);
  return key !== null && text === undefined ? { key_base64: Buffer.from(key).toString('base64') } : { key: text };
}

function payload(name: string, bytes: Uint8Array | null): Record<string, unknown> {
  if (bytes === null) return { [name]: null };
  const text = textOf(bytes);
  if (text === undefined || text === null) return { [`${name}_base64`]: Buffer.from(bytes).toString('base64') };
  try {
    return { [name]: JSON.parse(text) as unknown };
  } catch {
    return { [name]: text };
  }
}

/** UTF-8 text; undefined when the bytes are none. */
function textOf(bytes: Uint8Array | null): string | null | undefined {
  if (bytes === null) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
