/**
 * Connectors and endpoints: the contract, what connectors are made with, which there are, and those that are declared. Connectors
 * outside this package import it as `sluice/connector`; `z` is there for them too.
 */
export { z } from 'zod';

export { SluiceError } from '#kernel';
export { Arrivals } from './arrivals.ts';
export { ChangeDraft, changesRows, keyJson, keyText, type RowForm, rowForm } from './change-draft.ts';
export { coding } from './coding.ts';
export { checkConnection, checkConnector, describeConnector } from './conformance.ts';
export {
  type Change,
  type ChangePage,
  type ChangesRequest,
  type Connection,
  type Connector,
  type Delivery,
  defineConnector,
  type Field,
  type Json,
  type OpenContext,
  type Page,
  READ_MODES,
  type ReadRequest,
  type Received,
  type Row,
  type ScalarType,
  type Stream,
  type Value,
  WRITE_MODES,
  type WriteMode,
  type WriteRequest,
  type WriteResult,
} from './contract.ts';
export type { EndpointSpec, EndpointStatus } from './endpoint.ts';
export { Endpoints, type EndpointsOptions } from './endpoints.ts';
export { fileConnection } from './files/connection.ts';
export { type FileStore, fileSettings, isFileName, type StoredFile } from './files/store.ts';
export type { Auth, OwnJwt } from './http/auth.ts';
export type { Budget } from './http/budget.ts';
export { defineHttpConnector } from './http/connector.ts';
export type {
  Answer,
  Ask,
  Fields,
  HttpBatch,
  HttpRead,
  HttpRequest,
  HttpStream,
  HttpSystem,
  HttpWrite,
  Incremental,
  JsonObject,
  Outgoing,
  Paging,
  Partitions,
  ReadScope,
  Settings,
  WebhookChange,
} from './http/declaration.ts';
export { authOf, declaredAuth } from './http/declared-auth.ts';
export { declaredWebhooks, verifiedBy } from './http/declared-webhooks.ts';
export type { ErrorRule } from './http/error-rules.ts';
export { graphqlRules } from './http/graphql.ts';
export { at, formOf, pick, withAt } from './http/paths.ts';
export { fieldsIn } from './http/sample.ts';
export { address, httpSettings, secretText } from './http/settings.ts';
export { type Signature, verifyDelivery } from './http/signatures.ts';
export { type HttpAnswer, type HttpCall, HttpCalls, statusError } from './http-calls.ts';
export { fromJson, toJson } from './json-values.ts';
export { type KeysetQuery, readKeyset, requireFields, requireStream } from './keyset.ts';
export {
  arrival,
  bodyOfRow,
  headersOfRow,
  Inbox,
  type MessageFormat,
  messageSettings,
  messageStream,
  rejectedRecord,
  rowOfMessage,
  textOfRow,
} from './messages.ts';
export type { CatalogueEntry } from './registry.ts';
export { type Opened, type Opening, openConnection } from './worker/opening.ts';
export { noSuchRecord, writeBatches } from './write-batch.ts';
