/**
 * The worker thread: holds readers, definitions, tables and instances, and runs one job at a time. Loaded by Piscina,
 * which calls the exported function that a job names. Nothing here outlives the thread; what matters is in the log.
 */
import { performance } from 'node:perf_hooks';
import { workerData } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { asSluiceError, SluiceError } from '#kernel';
import { type LogReader, openReader } from '#log';
import { type Definition, isDefinition } from '../define.ts';
import { Instance } from '../instance.ts';
import { MaterialisedTable } from '../table.ts';
import { ProcessingFault, type RunResult, type Task } from '../task.ts';
import {
  type Answer,
  CHUNK_BYTES,
  type DefinitionSource,
  type FeedJob,
  type Held,
  type Inspected,
  NOTHING_RUNS,
  type PrepareJob,
  type RunInput,
  type RunJob,
  type RunReply,
  type WorkerSetup,
} from './protocol.ts';

const setup = workerData as WorkerSetup;
const progress = new Float64Array(setup.progress);
const reader: Promise<LogReader> = openReader(setup.reader);
const definitions = new Map<string, Promise<Definition>>();
/** By the definition's id, then by topic. */
const tables = new Map<string, Map<string, MaterialisedTable>>();
const instances = new Map<string, Instance>();

/** @throws PROCESSOR_INVALID */
function load(source: DefinitionSource): Promise<Definition> {
  let definition = definitions.get(source.id);
  if (definition === undefined) {
    definition = importDefinition(source);
    definitions.set(source.id, definition);
    // A module that does not load now may do so after it was mended.
    definition.catch(() => definitions.delete(source.id));
  }
  return definition;
}

async function importDefinition({ module, options }: DefinitionSource): Promise<Definition> {
  let found: unknown;
  try {
    const { default: exported } = (await import(module)) as { default?: unknown };
    found = typeof exported === 'function' ? await (exported as (given: unknown) => unknown)(options) : exported;
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new SluiceError('PROCESSOR_INVALID', `the module does not load: ${String(error)}`, {}, error);
  }
  if (!isDefinition(found)) {
    throw new SluiceError('PROCESSOR_INVALID', 'the default export of the module is not what defineProcessor makes');
  }
  return found;
}

/** An error as it crosses threads: a clone would lose its code. */
async function answered<T>(work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    const { code, message, details } = asSluiceError(error);
    return { ok: false, code, message, details };
  }
}

export function inspect(source: DefinitionSource): Promise<Answer<Inspected>> {
  return answered(async () => {
    const { inputs, outputs, tables: joined } = await load(source);
    return { inputs: Object.keys(inputs), outputs: Object.keys(outputs), tables: Object.keys(joined) };
  });
}

export function prepare(job: PrepareJob): Promise<Answer<Held>> {
  return answered(() => prepareInstance(job));
}

async function prepareInstance(job: PrepareJob): Promise<Held> {
  const { instance: id, source, name, partition, outputs, limits, state } = job;
  const definition = await load(source);
  const own = tablesOf(source.id);
  for (const [topic, serde] of Object.entries(definition.tables)) {
    if (!own.has(topic)) own.set(topic, new MaterialisedTable(serde, limits));
  }
  const instance = new Instance({
    definition,
    name,
    partition,
    outputs: new Map(outputs),
    limits,
    table: (topic) => own.get(topic) as MaterialisedTable,
  });
  const held = { entries: 0, bytes: 0 };
  instance.load(counted((await reader).state(state), held));
  instances.set(id, instance);
  return held;
}

function* counted(
  entries: Iterable<readonly [key: string, value: Uint8Array]>,
  held: { entries: number; bytes: number },
): Iterable<readonly [key: string, value: Uint8Array]> {
  for (const entry of entries) {
    held.entries++;
    held.bytes += entry[0].length + entry[1].length;
    yield entry;
  }
}

function tablesOf(id: string): Map<string, MaterialisedTable> {
  const own = tables.get(id) ?? new Map<string, MaterialisedTable>();
  tables.set(id, own);
  return own;
}

export function feed(job: FeedJob): Promise<Answer<Held>> {
  return answered(() => feedTable(job));
}

/** @throws NOT_READY when the thread does not hold the table: no instance of its definition was prepared here */
async function feedTable({ source, table, extents }: FeedJob): Promise<Held> {
  const target = tables.get(source)?.get(table);
  if (target === undefined) throw new SluiceError('NOT_READY', `table ${table} is not held here`);
  for (const extent of extents) {
    for (const { bytes } of (await reader).chunks(extent, CHUNK_BYTES)) target.apply(bytes);
  }
  return { entries: target.entries, bytes: target.bytes };
}

export async function run(job: RunJob): Promise<RunReply> {
  const instance = instances.get(job.instance);
  if (instance === undefined) return { kind: 'unknown' };
  const open = await reader;
  const ends = job.inputs.map(({ from }) => from);
  const task: Task = {
    inputs: job.inputs.map((input, index) => ({
      topic: input.topic,
      partition: input.partition,
      from: input.from,
      chunks: chunksOf(open, input, () => {
        ends[index] = input.extent?.to ?? input.from;
      }),
      ...(input.until === undefined ? {} : { until: input.until }),
      ...(input.idleAt === undefined ? {} : { idleAt: input.idleAt }),
    })),
    maxBytes: job.maxBytes,
    now: job.now,
    dead: job.dead,
    fireTimers: job.fireTimers,
    at: (input, offset) => {
      progress[0] = input;
      progress[1] = offset;
    },
  };
  const startedAt = performance.now();
  try {
    task.at(-1, -1);
    const result = await instance.run(task);
    const whole = {
      ...result,
      next: result.next.map((next, i) => endOf(next, ends[i] as number, job.inputs[i]?.until)),
    };
    return transferred({ kind: 'done', result: whole, runMs: performance.now() - startedAt });
  } catch (error) {
    return refusal(error);
  } finally {
    task.at(NOTHING_RUNS, -1);
  }
}

/** `whenDone` is called when the extent has been read to its end. */
function* chunksOf(open: LogReader, { extent }: RunInput, whenDone: () => void): Iterable<Uint8Array> {
  if (extent === null) return;
  for (const { bytes } of open.chunks(extent, CHUNK_BYTES)) yield bytes;
  whenDone();
}

/** Behind the last record there may be offsets that compaction has emptied. */
function endOf(next: number, extentEnd: number, until: number | undefined): number {
  return Math.max(next, until === undefined ? extentEnd : Math.min(until, extentEnd));
}

/** @throws what is neither the processor's nor the log's fault */
function refusal(error: unknown): RunReply {
  if (error instanceof ProcessingFault) {
    const { input, offset, code, message, stack } = error;
    return { kind: 'fault', fault: { input, offset, code, message, stack } };
  }
  const { code, message } = asSluiceError(error);
  return { kind: 'unreadable', code, message };
}

/** The reply with its buffers handed over instead of copied. */
function transferred(reply: RunReply & { result: RunResult }): RunReply {
  const { outputs, state } = reply.result;
  const buffers = outputs.map(({ batch }) => batch.buffer as ArrayBuffer);
  if (state !== null) buffers.push(state.buffer as ArrayBuffer);
  return move(new Handover(reply, buffers)) as unknown as RunReply;
}

/** Piscina's way to say what is to be transferred with a result. */
class Handover {
  readonly [valueSymbol]: RunReply;
  readonly [transferableSymbol]: ArrayBuffer[];

  constructor(reply: RunReply, buffers: ArrayBuffer[]) {
    this[valueSymbol] = reply;
    this[transferableSymbol] = buffers;
  }
}

export async function drop({ instance, source }: { instance?: string; source?: string }): Promise<void> {
  if (instance !== undefined) instances.delete(instance);
  if (source === undefined) return;
  tables.delete(source);
  definitions.delete(source);
}
