/** Paths that another layer serves on this server become routes like the server's own: bounded, observed, documented. */
import type { Mount, MountAnswer } from '#http1';
import { EMPTY } from '#kernel';
import type { Exchange } from './http/exchange.ts';
import type { Route } from './http/route.ts';

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
