/**
 * A route as one declaration: what checks the request, what documents it in OpenAPI and what runs are one
 * object. A module that has routes exports a function from the context to its list of them.
 */
import type { z } from 'zod';
import { EMPTY, SluiceError } from '#kernel';
import type { Access } from '../auth/principal.ts';
import type { Exchange } from './exchange.ts';
import { mediaType } from './media-type.ts';
import { checkShape } from './shape.ts';

export type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE' | 'PATCH' | 'OPTIONS';

export interface HeaderDeclaration {
  readonly name: string;
  readonly description: string;
}

export interface BodyDeclaration {
  /** Media types the route reads, each with the shape of its body, or null where that is bytes or lines. */
  readonly types: Readonly<Record<string, z.ZodType | null>>;
  readonly maxBytes: number;
  /** An empty body is fine. */
  readonly optional?: boolean;
}

export interface AnswerDeclaration {
  readonly description: string;
  /** Media types the route answers with; null where the body is bytes or text. */
  readonly types?: Readonly<Record<string, z.ZodType | null>>;
  readonly headers?: readonly HeaderDeclaration[];
}

/** An error in another form than a problem document, for interfaces that others have defined. */
export interface ErrorForm {
  readonly contentType: string;
  readonly shape: z.ZodType;
  body(error: SluiceError): { readonly status: number; readonly value: object };
}

export interface Input<Params, Query> {
  readonly params: Params;
  readonly query: Query;
  /** Empty where the route declares no body. The route's own to keep. */
  readonly body: Uint8Array;
}

interface Declaration {
  readonly method: Method;
  /** `/v1/topics/{topic}/records`; ends in `/*` to take all that follows. */
  readonly path: string;
  /** Groups the routes in the documentation. */
  readonly tag: string;
  readonly summary: string;
  readonly access: Access;
  readonly headers?: readonly HeaderDeclaration[];
  readonly body?: BodyDeclaration;
  /** By status. Problem documents need not be listed. */
  readonly answers: Readonly<Record<number, AnswerDeclaration>>;
  /** Called very often: its successes are logged at level debug, other routes' at info. */
  readonly busy?: boolean;
  /** How errors are told; as problem documents where absent. */
  readonly errors?: ErrorForm;
  /** A key may also come as the password of Basic authentication, for clients that know nothing else. */
  readonly takesBasic?: boolean;
}

export interface Route extends Declaration {
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** What the scope of a key must match, where that is no topic of the path. */
  readonly subject?: (exchange: Exchange) => string;
  /** Runs before it is looked at who asks: for headers that every answer carries, refusals too. */
  readonly begin?: (exchange: Exchange) => void;
  /**
   * Runs within the native callback, after authorisation, with nothing of the body read. What it throws,
   * or rejects with, is answered as a problem.
   */
  readonly run: (exchange: Exchange) => void | Promise<void>;
}

export interface CheckedDeclaration<P extends z.ZodObject, Q extends z.ZodObject> extends Declaration {
  readonly subject?: Route['subject'] & {};
  readonly params?: P;
  readonly query?: Q;
  readonly handle: (exchange: Exchange, input: Input<z.output<P>, z.output<Q>>) => void | Promise<void>;
}

export type None = z.ZodObject<Record<never, never>>;

/**
 * A route whose path, query and body are checked as declared before its handler sees them. Names in the
 * path without a declaration arrive as strings.
 */
export function defineRoute<P extends z.ZodObject = None, Q extends z.ZodObject = None>(
  declaration: CheckedDeclaration<P, Q>,
): Route {
  const { handle, ...route } = declaration;
  const names = [...route.path.matchAll(/\{(\w+)\}|\*/g)].map((match) => match[1] ?? 'rest');
  return {
    ...route,
    run: (exchange) => {
      const params = check(route.params, Object.fromEntries(names.map((name, i) => [name, exchange.params[i]])));
      const query = check(route.query, Object.fromEntries(exchange.query), exchange.query.size);
      const invoke = (body: Uint8Array) => handle(exchange, { params, query, body } as Parameters<typeof handle>[1]);
      if (route.body === undefined) return invoke(EMPTY);
      checkMediaType(exchange, route.body);
      exchange.readBody(route.body.maxBytes, (body) => exchange.settle(() => invoke(body.slice())));
    },
  };
}

function check(schema: z.ZodObject | undefined, value: Record<string, unknown>, size = 0): unknown {
  if (schema !== undefined) return checkShape(schema, value);
  if (size === 0) return value;
  const name = Object.keys(value)[0] as string;
  throw new SluiceError('REQUEST_INVALID', `unknown query parameter ${name}`, { field: name });
}

function checkMediaType(exchange: Exchange, body: BodyDeclaration): void {
  const type = mediaType(exchange.header('content-type'));
  if (type === '' && body.optional === true) return;
  if (!(type in body.types)) {
    const known = Object.keys(body.types).join(', ');
    throw new SluiceError('MEDIA_TYPE_UNSUPPORTED', `this path reads ${known}, not "${type}"`, { accepts: known });
  }
}
