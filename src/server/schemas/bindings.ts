/**
 * Which topics are bound to schemas, kept in step with the topics' specs. Asked for each request that produces records, so a
 * server without such topics pays one comparison for it.
 */
import type { Document, Resources, TopicSpec } from '#resource';

/** Subjects; undefined where anything goes. */
export interface Binding {
  readonly key: string | undefined;
  readonly value: string | undefined;
}

export class SchemaBindings {
  readonly #bound = new Map<string, Binding>();

  constructor(resources: Pick<Resources, 'list' | 'onChange'>) {
    for (const document of resources.list('topic')) this.#note(document.name, document);
    resources.onChange((kind, name, document) => {
      if (kind === 'topic') this.#note(name, document);
    });
  }

  /** Undefined for a topic without schemas. */
  of(topic: string): Binding | undefined {
    return this.#bound.size === 0 ? undefined : this.#bound.get(topic);
  }

  #note(topic: string, document: Document | undefined): void {
    const { key_schema: key, value_schema: value } = (document?.spec ?? {}) as Partial<TopicSpec>;
    if (key === undefined && value === undefined) this.#bound.delete(topic);
    else this.#bound.set(topic, { key, value });
  }
}
