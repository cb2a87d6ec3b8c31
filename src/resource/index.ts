/** Everything a person configures, as versioned documents, and the keys of those who may. */
import type { Clock } from '#kernel';
import type { Log } from '#log';
import { ApiKeys, OAUTH_SECRET } from './api-keys.ts';
import { clientKind } from './client-kind.ts';
import type { Kind } from './document.ts';
import { Resources } from './resources.ts';
import { topicKind } from './topic-kind.ts';

export type { ApiKeys, HashedKey, KeyInfo } from './api-keys.ts';
export { type CertificateHolder, type ClientSpec, certificateHolders, isInForce } from './client-kind.ts';
export type { Change, Declared, Document, HistoryEntry, Kind, Spec } from './document.ts';
export { type EndpointTarget, endpointKind } from './endpoint-kind.ts';
export type { IssuerState } from './issuer-state.ts';
export { type ProcessorSpec, type ProcessorTarget, processorKind } from './processor-kind.ts';
export type { ChangeListener, ChangeOptions, Resources } from './resources.ts';
export { type SchemaSpec, type SchemaStore, schemaKind } from './schema-kind.ts';
export { replaceSecret, secretKind } from './secret-kind.ts';
export type { TopicSpec } from './topic-kind.ts';
export { Vault } from './vault.ts';

/** Opens the resources of a log with the engine's own kinds and those of later layers. `secrets`: of OAuth. */
export async function openResources(
  log: Log,
  clock: Clock,
  moreKinds: readonly Kind[] = [],
): Promise<{ resources: Resources; keys: ApiKeys; secrets: ApiKeys }> {
  const keys = new ApiKeys(log, clock);
  const secrets = new ApiKeys(log, clock, OAUTH_SECRET);
  const resources = await Resources.open(log, clock, [topicKind(log), clientKind([keys, secrets]), ...moreKinds]);
  for (const ring of [keys, secrets]) {
    ring.connect(
      (name) => resources.find('client', name),
      () => resources.count('client'),
    );
  }
  return { resources, keys, secrets };
}
