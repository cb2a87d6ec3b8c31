/**
 * Kind `topic`. The log owns what exists and how it is set up; the document adds version, history and author. Applying creates the
 * topic or changes its settings, and bears being repeated after a crash between the two.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import { DEFAULT_TOPIC_CONFIG, type Log, type TopicConfig } from '#log';
import type { Declared, Kind, Spec } from './document.ts';

const amount = z.int().nonnegative().nullable();
const subject = z.string().min(1).max(249);

const schema = z.strictObject({
  partitions: z.int().positive().default(DEFAULT_TOPIC_CONFIG.partitions).describe('Can grow, never shrink'),
  cleanup: z
    .enum(['delete', 'compact'])
    .default(DEFAULT_TOPIC_CONFIG.cleanup)
    .describe('compact keeps the last record of each key'),
  retention_ms: amount.default(null).describe('Records older than this may be dropped; null: never'),
  retention_bytes: amount.default(null).describe('A partition larger than this drops its oldest records; null: never'),
  tombstone_ms: z
    .int()
    .nonnegative()
    .default(DEFAULT_TOPIC_CONFIG.tombstoneMs)
    .describe('How long deletions stay readable'),
  content_type: z.string().max(255).optional().describe('Of values that carry no content-type header'),
  key_schema: subject.optional().describe('The schema that keys must fit, unless they come in a record batch'),
  value_schema: subject.optional().describe('The schema that values must fit, unless they come in a record batch'),
  description: z.string().max(1_000).optional(),
});

export type TopicSpec = z.infer<typeof schema>;

export function topicKind(log: Log): Kind {
  return {
    kind: 'topic',
    plural: 'topics',
    summary: 'A topic: partitions, retention, compaction',
    schema: schema as z.ZodType<Spec>,
    check: (_name, spec, declared) => {
      if (spec !== undefined) requireSchemas(spec as TopicSpec, declared);
    },
    apply: async (name, spec) => {
      if (name.startsWith('sys.'))
        throw new SluiceError('TOPIC_INVALID', 'topics beginning with sys. belong to the system', { name });
      const config = configOf(spec as TopicSpec);
      if (log.findTopic(name) === undefined) await log.createTopic(name, config);
      else await log.updateTopic(name, config);
    },
    remove: async (name) => {
      if (log.findTopic(name) !== undefined) await log.deleteTopic(name);
    },
  };
}

/** @throws RESOURCE_INVALID (details: `field`) */
function requireSchemas(spec: TopicSpec, declared: Declared): void {
  for (const field of ['key_schema', 'value_schema'] as const) {
    const name = spec[field];
    if (name === undefined || declared.find('schema', name) !== undefined) continue;
    throw new SluiceError('RESOURCE_INVALID', `${field}: there is no schema ${name}`, { field });
  }
}

function configOf(spec: TopicSpec): TopicConfig {
  return {
    partitions: spec.partitions,
    cleanup: spec.cleanup,
    retentionMs: spec.retention_ms,
    retentionBytes: spec.retention_bytes,
    tombstoneMs: spec.tombstone_ms,
  };
}
