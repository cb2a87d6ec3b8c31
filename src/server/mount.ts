/**
 * Paths that another layer serves on this server. The layer declares them as plain data and a function of the whole
 * request, the composition root hands them over, and here they become routes like the server's own: bounded, observed,
 * documented.
 */
import { EMPTY } from '#kernel';
import type { Exchange } from './http/exchange.ts';
import type { Route } from './http/route.ts';

export interface MountRequest {
  /** Without the question mark. */
  readonly query: string;
  /** Whole. */
  readonly body: Uint8Array;
  readonly remoteAddress: string;
  /** The first header of a name in lower case. */
  header(name: string): string | undefined;
}

export interface MountAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly contentType: string;
  readonly body: string;
}

export interface Mount {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Groups paths in the documentation. */
  readonly tag: string;
  readonly summary: string;
  readonly access: 'open' | 'admin';
  /** The media type is for the documentation: whoever serves the path looks at it. */
  readonly reads?: { readonly type: string; readonly bytesMax: number };
  /** By status. */
  readonly answers: Readonly<Record<number, { readonly description: string; readonly type: string }>>;
  /** What it throws is answered as a problem. */
  handle(request: MountRequest): MountAnswer | Promise<MountAnswer>;
}

export function mountedRoute(mount: Mount): Route {
  const { method, path, tag, summary, access, reads } = mount;
  const answers = Object.entries(mount.answers).map(([status, { description, type }]) => [
    status,
    { description, types: { [type]: null } },
  ]);
  return {
    method,
    path,
    tag,
    summary,
    access,
    busy: true,
    ...(reads === undefined ? {} : { body: { types: { [reads.type]: null }, maxBytes: reads.bytesMax } }),
    answers: Object.fromEntries(answers),
    run: (exchange) => {
      const remoteAddress = exchange.remoteAddress();
      const serve = async (body: Uint8Array) => {
        const header = (name: string) => exchange.header(name);
        write(exchange, await mount.handle({ query: exchange.rawQuery, body, remoteAddress, header }));
      };
      if (reads === undefined) return serve(EMPTY);
      exchange.readBody(reads.bytesMax, (body) => exchange.settle(() => serve(body.slice())));
      return undefined;
    },
  };
}

function write(exchange: Exchange, { status, headers, contentType, body }: MountAnswer): void {
  for (const [name, value] of headers) exchange.setHeader(name, value);
  exchange.bytes(status, contentType, body);
}
