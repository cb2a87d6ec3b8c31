/**
 * What a stream is made as: its document from the request, from its source where it is a fork, and whether a stream that
 * is there is what a request asks for.
 */
import { SluiceError } from '#kernel';
import { mediaType } from '../http/media-type.ts';
import type { ForkOrigin, StreamDocument } from './document.ts';
import type { Stream } from './stream.ts';

export interface ForkRequest {
  readonly source: string;
  /** Default: the end of the source. */
  readonly position?: number;
  readonly subOffset?: number;
}

export interface CreateRequest {
  /** Default: that of the source, or bytes. */
  readonly contentType: string | undefined;
  readonly ttlSeconds: number | undefined;
  readonly expiresAt: number | undefined;
  readonly closed: boolean;
  readonly body: Uint8Array;
  readonly fork: ForkRequest | undefined;
}

/** What the request does not say. */
export interface Origin {
  readonly id: string;
  readonly now: number;
  /** Position of the first own record. */
  readonly from: number;
}

/** A document without the place of its records. */
export type PlacelessDocument = Omit<StreamDocument, 'topic' | 'partition' | 'base'>;

const DEFAULT_TYPE = 'application/octet-stream';

export function newDocument(request: CreateRequest, { id, now, from }: Origin): PlacelessDocument {
  return {
    id,
    contentType: request.contentType ?? DEFAULT_TYPE,
    createdAt: now,
    ttlSeconds: request.ttlSeconds ?? null,
    expiresAt: request.expiresAt ?? null,
    usedAt: now,
    from,
    fork: null,
    closed: request.closed,
    closedBy: null,
    deleted: false,
    sequence: null,
  };
}

/**
 * A fork has the content type of its source, and its expiry unless it brings one.
 * @throws STREAM_CONFLICT where the content types differ
 */
export function forkDocument(
  request: CreateRequest,
  source: Stream,
  fork: ForkOrigin,
  origin: Origin,
): PlacelessDocument {
  const { contentType, ttlSeconds, expiresAt } = source.document;
  if (request.contentType !== undefined && mediaType(request.contentType) !== mediaType(contentType)) {
    throw new SluiceError('STREAM_CONFLICT', `the source holds ${contentType}, not ${request.contentType}`, {
      content_type: contentType,
    });
  }
  const inherits = request.ttlSeconds === undefined && request.expiresAt === undefined;
  return {
    ...newDocument(request, origin),
    contentType: request.contentType ?? contentType,
    ...(inherits ? { ttlSeconds, expiresAt } : {}),
    fork,
  };
}

/** @throws STREAM_CONFLICT unless the stream is as the request asks for */
export function checkSame({ path, gone, document }: Stream, request: CreateRequest): void {
  if (gone) throw new SluiceError('STREAM_CONFLICT', `the stream ${path} is deleted and still has forks`);
  const differs = difference(document, request);
  if (differs === undefined) return;
  throw new SluiceError('STREAM_CONFLICT', `the stream ${path} exists with another ${differs}`, { differs });
}

/** What differs first. A fork is not asked for what it has inherited, nor for the end its source had then. */
function difference(document: StreamDocument, request: CreateRequest): string | undefined {
  const { fork } = request;
  if (document.fork?.source !== fork?.source) return 'source';
  const inherits = fork !== undefined;
  const type = request.contentType ?? (inherits ? document.contentType : DEFAULT_TYPE);
  if (mediaType(type) !== mediaType(document.contentType)) return 'content type';
  const saysExpiry = request.ttlSeconds !== undefined || request.expiresAt !== undefined;
  if (saysExpiry || !inherits) {
    const sameTtl = (request.ttlSeconds ?? null) === document.ttlSeconds;
    if (!sameTtl || (request.expiresAt ?? null) !== document.expiresAt) return 'expiry';
  }
  if (request.closed !== document.closed) return 'closed state';
  if (fork?.position !== undefined && fork.position !== document.fork?.position) return 'fork offset';
  if ((fork?.subOffset ?? 0) !== (document.fork?.subOffset ?? 0)) return 'fork sub-offset';
  return undefined;
}
