/** What transformations there are, for people: read off the schema. The README's table is held against it. */
import { z } from 'zod';
import { transformationSchema } from './schema.ts';

export interface TransformationEntry {
  readonly type: string;
  /** What it does, in a few words. */
  readonly summary: string;
  readonly settings: readonly {
    readonly name: string;
    readonly required: boolean;
    /** As JSON, where there is one. */
    readonly default?: unknown;
    readonly description?: string;
  }[];
}

interface Shape {
  readonly description: string;
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, { const?: string; default?: unknown; description?: string }>>;
}

/** In the order in which they are declared in the schema. */
export function catalogue(): TransformationEntry[] {
  const { oneOf } = z.toJSONSchema(transformationSchema, { io: 'input' }) as unknown as { oneOf: readonly Shape[] };
  return oneOf.map(({ description, required, properties }) => ({
    type: String(properties['type']?.const),
    summary: description,
    settings: Object.entries(properties)
      .filter(([name]) => name !== 'type')
      .map(([name, setting]) => ({
        name,
        required: required.includes(name),
        ...('default' in setting && { default: setting.default }),
        ...(setting.description !== undefined && { description: setting.description }),
      })),
  }));
}
