/** A way to a server that a test can cut and mend: what is under way is reset, and who comes meanwhile is refused. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterwards } from '../cleanup.ts';
import { freePort } from '../place.ts';

export interface CutProxy {
  readonly port: number;
  cut(): Promise<void>;
  mend(): Promise<void>;
}

/** To that port of loopback. */
export async function startCutProxy(target: number): Promise<CutProxy> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  const keep = (socket: Socket, other: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
  };
  const cut = async () => {
    const closed = new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
    for (const socket of sockets) socket.resetAndDestroy();
    server = undefined;
    await closed;
  };
  const mend = async () => {
    const begun = createServer((caller) => {
      const callee = connect(target, '127.0.0.1');
      keep(caller, callee);
      keep(callee, caller);
      caller.pipe(callee).pipe(caller);
    });
    server = begun;
    await new Promise<void>((resolve) => begun.listen(port, '127.0.0.1', resolve));
  };
  await mend();
  afterwards(cut);
  return { port, cut, mend };
}
