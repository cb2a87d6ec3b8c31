/** Everything a person configures, as versioned documents, and the keys of those who may. */
import type { Clock } from '#kernel';
import type { Log } from '#log';
import { ApiKeys } from './api-keys.ts';
import { clientKind } from './client-kind.ts';
import type { Kind } from './document.ts';
import { Resources } from './resources.ts';
import { topicKind } from './topic-kind.ts';

export type { ApiKeys, HashedKey, KeyInfo } from './api-keys.ts';
export type { Change, Declared, Document, HistoryEntry, Kind, Spec } from './document.ts';
export { type ProcessorSpec, type ProcessorTarget, processorKind } from './processor-kind.ts';
export type { ChangeListener, ChangeOptions, Resources } from './resources.ts';
export { type SchemaSpec, type SchemaStore, schemaKind } from './schema-kind.ts';
export type { TopicSpec } from './topic-kind.ts';

/** Opens the resources of a log with the engine's own kinds and those of later layers. */
export async function openResources(
  log: Log,
  clock: Clock,
  moreKinds: readonly Kind[] = [],
): Promise<{ resources: Resources; keys: ApiKeys }> {
  const keys = new ApiKeys(log, clock);
  const resources = await Resources.open(log, clock, [topicKind(log), clientKind(keys), ...moreKinds]);
  keys.connect(
    (name) => resources.find('client', name),
    () => resources.count('client'),
  );
  return { resources, keys };
}
