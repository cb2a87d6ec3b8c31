/**
 * The WebSocket endpoint `/v1/ws`: upgrade (subprotocol, key, origin) and the life of each socket. What is said on it:
 * `session.ts`.
 */
import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t } from 'uWebSockets.js';
import { asSluiceError, SluiceError, toProblem } from '#kernel';
import { authenticate, type Principal, presentedKey } from '../auth/principal.ts';
import type { ServerContext } from '../context.ts';
import { type Codec, JsonCodec, MsgpackCodec } from './codec.ts';
import { webSocketMetrics } from './metrics.ts';
import { Session, type SessionData } from './session.ts';

export interface WebSocketSide {
  /** Ends every connection with 1012; resolves when they are gone or `shutdownMs` is over. */
  close(): Promise<void>;
}

const PATH = '/v1/ws';
/** No closing frame came: the client crashed, or the network did. */
const ABNORMAL = 1006;
/** The access token it was opened with is over; a client comes again with a new one. */
const TOKEN_EXPIRED = 4401;
const IDLE_SECONDS = 120;
const KEY_PROTOCOL = 'sluice.key.';
const JSON_PROTOCOL = 'sluice.v1.json';
const MSGPACK_PROTOCOL = 'sluice.v1.msgpack';

export function attachWebSocket(app: TemplatedApp, context: ServerContext): WebSocketSide {
  const sessions = new Set<Session>();
  const metrics = webSocketMetrics(context.metrics, sessions);
  const expiries = new Map<Session, NodeJS.Timeout>();
  let allGone: (() => void) | undefined;
  app.ws<SessionData>(PATH, {
    maxPayloadLength: context.limits.messageBytesMax,
    // The bound is kept by `Session.writable`; the library's own would drop frames.
    maxBackpressure: 0,
    closeOnBackpressureLimit: false,
    idleTimeout: IDLE_SECONDS,
    sendPingsAutomatically: true,
    upgrade: (res, req, socketContext) => {
      upgrade(res, req, socketContext, context, (principal, codec) => {
        if (sessions.size >= context.limits.connectionsMax) {
          throw new SluiceError('LIMIT_EXCEEDED', `at most ${context.limits.connectionsMax} connections`);
        }
        return new Session(context, principal, codec, metrics);
      });
    },
    open: (ws) => {
      const { session } = ws.getUserData();
      sessions.add(session);
      const { expiresMs } = session.principal;
      if (Number.isFinite(expiresMs)) {
        const end = () => ws.end(TOKEN_EXPIRED, 'the access token has expired');
        expiries.set(session, setTimeout(end, expiresMs - context.clock.now()).unref());
      }
      session.opened(ws);
    },
    message: (ws, message) => {
      metrics.bytesIn.add(message.byteLength);
      ws.getUserData().session.received(new Uint8Array(message));
    },
    drain: (ws) => ws.getUserData().session.drained(),
    close: (ws, code) => {
      const { session } = ws.getUserData();
      sessions.delete(session);
      clearTimeout(expiries.get(session));
      expiries.delete(session);
      session.ended(code === ABNORMAL);
      if (sessions.size === 0) allGone?.();
    },
  });
  return {
    close: async () => {
      if (sessions.size === 0) return;
      const gone = new Promise<void>((resolve) => {
        allGone = resolve;
      });
      for (const session of sessions) session.goAway();
      await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, context.limits.shutdownMs).unref())]);
    },
  };
}

function upgrade(
  res: HttpResponse,
  req: HttpRequest,
  socketContext: us_socket_context_t,
  context: ServerContext,
  open: (principal: Principal, codec: Codec) => Session,
): void {
  res.onAborted(() => undefined);
  try {
    if (context.shutdown.aborted) throw new SluiceError('SHUTTING_DOWN');
    checkOrigin(req.getHeader('origin'), context.settings.allowedOrigins);
    const offered = req
      .getHeader('sec-websocket-protocol')
      .split(',')
      .map((name) => name.trim());
    const protocol = offered.find((name) => name === JSON_PROTOCOL || name === MSGPACK_PROTOCOL);
    if (protocol === undefined) {
      throw new SluiceError('REQUEST_INVALID', `offer the subprotocol ${JSON_PROTOCOL} or ${MSGPACK_PROTOCOL}`);
    }
    const inProtocol = offered.find((name) => name.startsWith(KEY_PROTOCOL))?.slice(KEY_PROTOCOL.length);
    const key = presentedKey(req.getHeader('authorization') || undefined, req.getHeader('x-api-key') || inProtocol);
    const principal = authenticate(context.ring, key);
    const session = open(principal, protocol === JSON_PROTOCOL ? new JsonCodec() : new MsgpackCodec());
    res.upgrade<SessionData>(
      { session },
      req.getHeader('sec-websocket-key'),
      protocol,
      req.getHeader('sec-websocket-extensions'),
      socketContext,
    );
  } catch (thrown) {
    const error = asSluiceError(thrown);
    res.cork(() => {
      res.writeStatus(`${error.status} ${error.code}`);
      res.writeHeader('Content-Type', 'application/problem+json');
      res.end(JSON.stringify(toProblem(error)), true);
    });
  }
}

function checkOrigin(origin: string, allowed: readonly string[]): void {
  if (origin === '' || allowed.length === 0 || allowed.includes(origin)) return;
  throw new SluiceError('FORBIDDEN', `the origin ${origin} may not connect`);
}
