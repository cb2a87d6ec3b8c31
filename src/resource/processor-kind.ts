/**
 * Kind `processor`: code, or a list of transformations, that reads topics and writes topics. The runtime that runs it is
 * handed in; its place and its state belong to the log.
 */
import { z } from 'zod';
import type { Kind, Spec } from './document.ts';

const topicName = z.string().min(1).max(249);

const schema = z
  .strictObject({
    module: z
      .string()
      .regex(/^[\w@.-]+(\/[\w@.-]+)*\.(mjs|js|cjs)$/, 'must be the path of a module below the folder of processors')
      .optional()
      .describe('A module whose default export is a definition; below the folder given by --processors'),
    input: topicName.optional().describe('With transformations: the topic that is read'),
    output: topicName.optional().describe('With transformations: the topic that is written'),
    format: z.enum(['json', 'msgpack']).default('json').describe('With transformations: the format of the values'),
    transformations: z
      .array(z.looseObject({ type: z.string() }))
      .min(1)
      .max(100)
      .optional()
      .describe('Named transformations, applied in order'),
    from: z.enum(['earliest', 'latest']).default('earliest').describe('Where it begins when it has never run'),
    run_ms: z.int().min(10).max(600_000).default(10_000).describe('One run may take this long'),
    attempts_max: z.int().min(1).max(100).default(3).describe('A record that failed so often becomes a dead letter'),
    backoff_ms: z.int().min(0).max(60_000).default(100).describe('Pause before the second attempt; it doubles'),
    backoff_max_ms: z.int().min(0).max(3_600_000).default(10_000),
    idle_ms: z
      .int()
      .min(100)
      .max(86_400_000)
      .optional()
      .describe('An input that had nothing to read for so long no longer holds event time back; without it, it does'),
    workers: z.int().min(1).max(256).optional().describe('Worker threads it is spread over at most'),
    description: z.string().max(1_000).optional(),
  })
  .refine(({ module, transformations }) => (module === undefined) !== (transformations === undefined), {
    message: 'needs either a module or transformations',
  })
  .refine(
    ({ transformations, input, output }) =>
      transformations === undefined || (input !== undefined && output !== undefined),
    {
      message: 'transformations need an input and an output',
    },
  );

export type ProcessorSpec = z.infer<typeof schema>;

/** Who runs processors. */
export interface ProcessorTarget {
  /** @throws PROCESSOR_INVALID, upon which things stay as they are */
  deploy(name: string, spec: ProcessorSpec): Promise<void>;
  remove(name: string): Promise<void>;
}

export function processorKind(target: ProcessorTarget): Kind {
  return {
    kind: 'processor',
    plural: 'processors',
    summary: 'A stream processor: code or named transformations between topics, exactly once',
    schema: schema as unknown as z.ZodType<Spec>,
    apply: (name, spec) => target.deploy(name, spec as unknown as ProcessorSpec),
    remove: (name) => target.remove(name),
  };
}
