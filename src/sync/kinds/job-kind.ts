/**
 * Kind `sync-job`: from where, to where, when and how. What runs jobs is handed in. A job that stands on an endpoint, a topic or
 * a mapping that is not there is refused; whether the systems behind them answer is not asked: a job waits for that.
 */
import { z } from 'zod';
import { SluiceError, systemClock } from '#kernel';
import type { Declared, Kind, Spec } from '#resource';
import { nextTime } from './cron.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const GIB = 1024 ** 3;

const resourceName = z.string().min(1).max(249);

const end = z
  .strictObject({ endpoint: resourceName.optional(), topic: resourceName.optional() })
  .refine(({ endpoint, topic }) => (endpoint === undefined) !== (topic === undefined), {
    message: 'needs either an endpoint or a topic',
  });

const stream = z.strictObject({
  from: z.string().min(1).max(500).describe('Stream of the source'),
  to: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe('Stream of the target; default: as at the source, without a schema'),
  keys: z.array(z.string().min(1)).min(1).max(32).optional().describe('Fields that identify a record at the target'),
  cursor: z.string().min(1).optional().describe('The field that only grows, for incremental reads'),
  mapping: resourceName.optional().describe('Instead of the mapping of the job'),
});

const schema = z
  .strictObject({
    source: end,
    target: end,
    streams: z.array(stream).min(1).max(1_000).describe('What is synced; of a source that is a topic: one'),
    mapping: resourceName.optional(),
    strategy: z
      .enum(['real_time', 'batch', 'scheduled', 'event_driven'])
      .default('batch')
      .describe('As it changes; when asked; by a schedule; whenever a record comes to `trigger`'),
    mode: z
      .enum(['full', 'incremental', 'upsert', 'append', 'mirror'])
      .optional()
      .describe('Default: mirror in real time, else upsert (incremental where there is a cursor, else full)'),
    schedule: z
      .strictObject({
        cron: z.string().min(9).max(200).describe('Minute, hour, day, month, weekday; six parts begin with seconds'),
        time_zone: z.string().min(1).max(64).default('UTC'),
      })
      .superRefine(({ cron, time_zone }, context) => {
        const message = faultOfSchedule(cron, time_zone);
        if (message !== undefined) context.addIssue({ code: 'custom', message });
      })
      .optional(),
    trigger: z.strictObject({ topic: resourceName }).optional().describe('Of event_driven jobs'),
    snapshot: z.boolean().default(true).describe('In real time: first everything that is there, then what changes'),
    poll_ms: z.int().min(100).max(HOUR_MS).default(5_000).describe('In real time, of a source that has to be asked'),
    look_back_ms: z
      .int()
      .min(0)
      .max(DAY_MS)
      .default(0)
      .describe('Incremental reads by a time begin so much earlier, for records that became visible late'),
    sweep_ms: z
      .int()
      .min(0)
      .max(30 * DAY_MS)
      .default(HOUR_MS)
      .describe('In real time, of a polled source with mode mirror: deletes are looked for so often; 0: never'),
    on_new_field: z
      .enum(['stop', 'ignore', 'reject'])
      .default('stop')
      .describe('A field that the target has no place for: wait until it has one, leave the field out, reject'),
    tolerance: z
      .strictObject({
        records: z.int().min(0).optional().describe('So many rejected records of a run are borne'),
        percent: z.number().min(0).max(100).optional().describe('Such a share of a run, from 100 records on'),
      })
      .default({})
      .describe('Beyond it the job stops; without it no number of rejected records stops it'),
    retry: z
      .strictObject({
        attempts_max: z.int().min(0).max(1_000_000).default(0).describe('In a row, then the job stops; 0: no end'),
        backoff_ms: z.int().min(10).max(60_000).default(500).describe('Doubled with each failure in a row'),
        backoff_max_ms: z.int().min(10).max(HOUR_MS).default(30_000),
      })
      .prefault({}),
    page_records: z.int().min(1).max(100_000).default(5_000).describe('Of one page of the source'),
    partitions: z.int().min(1).max(64).default(2).describe('Of the topic of the job; records of a key stay in order'),
    buffer_bytes: z
      .int()
      .min(1_048_576)
      .max(1024 * GIB)
      .default(GIB)
      .describe('While the topic holds more that is not written yet, the source waits'),
    keep_ms: z
      .int()
      .min(0)
      .max(365 * DAY_MS)
      .default(DAY_MS)
      .describe('What is written is kept in the topic so long, for looking back and for writing again'),
    paused: z.boolean().default(false),
    description: z.string().max(1_000).optional(),
  })
  .superRefine((spec, context) => {
    for (const [path, message] of faults(spec)) context.addIssue({ code: 'custom', message, path: [path] });
  });

export type JobSpec = z.infer<typeof schema>;
export type StreamSpec = z.infer<typeof stream>;

interface Checked {
  readonly source: z.infer<typeof end>;
  readonly target: z.infer<typeof end>;
  readonly streams: readonly StreamSpec[];
  readonly strategy: string;
  readonly mode?: string | undefined;
  readonly schedule?: unknown;
  readonly trigger?: unknown;
}

function* faults({ source, target, streams, strategy, mode, schedule, trigger }: Checked): Iterable<[string, string]> {
  if ((strategy === 'scheduled') !== (schedule !== undefined)) {
    yield ['schedule', 'a scheduled job has a schedule, and no other has one'];
  }
  if ((strategy === 'event_driven') !== (trigger !== undefined)) {
    yield ['trigger', 'an event-driven job has a trigger, and no other has one'];
  }
  if (source.topic !== undefined && strategy !== 'real_time') {
    yield ['strategy', 'a topic is read as it grows: real_time'];
  }
  if (source.topic !== undefined && target.topic === source.topic) yield ['target', 'is its own source'];
  if (mode === 'mirror' && strategy !== 'real_time' && target.topic !== undefined) {
    yield ['mode', 'a topic cannot be swept: mirror needs an endpoint as its target'];
  }
  if (mode === 'mirror' && source.topic !== undefined && target.endpoint === undefined) {
    yield ['mode', 'from a topic to a topic deletes go along anyway: append or upsert'];
  }
  if (source.topic !== undefined && streams.length > 1) yield ['streams', 'of a topic there is one'];
  if (new Set(streams.map((one) => one.from)).size < streams.length) yield ['streams', 'name each stream once'];
}

function faultOfSchedule(cron: string, timeZone: string): string | undefined {
  try {
    return nextTime(cron, timeZone, systemClock.now()) === null ? 'never comes' : undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Who runs jobs. */
export interface JobTarget {
  /** Puts it to work, in place of the one of that name. @throws LIMIT_EXCEEDED */
  declare(name: string, spec: JobSpec): Promise<void>;
  /** Its document is on the disk: it may begin. */
  declared(name: string): void;
  /** Ends it and forgets its place. */
  remove(name: string): Promise<void>;
}

export function jobKind(target: JobTarget): Kind {
  return {
    kind: 'sync-job',
    plural: 'sync-jobs',
    summary: 'Moves data from a source to a target, when and how it is told, through a topic',
    schema: schema as unknown as z.ZodType<Spec>,
    check: (name, spec, declared) => {
      if (spec !== undefined) requireParts(name, spec as unknown as JobSpec, declared);
    },
    apply: (name, spec) => target.declare(name, spec as unknown as JobSpec),
    remove: (name) => target.remove(name),
    committed: (name) => target.declared(name),
  };
}

/** @throws RESOURCE_INVALID where something it stands on is not declared */
function requireParts(name: string, spec: JobSpec, declared: Declared): void {
  const need = (kind: string, wanted: string | undefined, field: string) => {
    if (wanted === undefined || declared.find(kind, wanted) !== undefined) return;
    throw new SluiceError('RESOURCE_INVALID', `${field}: there is no ${kind} ${wanted}`, { field });
  };
  need('endpoint', spec.source.endpoint, 'source.endpoint');
  need('endpoint', spec.target.endpoint, 'target.endpoint');
  need('mapping', spec.mapping, 'mapping');
  spec.streams.forEach((one, i) => {
    need('mapping', one.mapping, `streams.${i}.mapping`);
  });
  if (spec.source.topic === `sync.${name}`) {
    throw new SluiceError('RESOURCE_INVALID', 'source.topic: it would read what it writes', { field: 'source.topic' });
  }
}
