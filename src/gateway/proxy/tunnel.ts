/**
 * WebSockets through the gateway: routed and checked like any request, then one socket to the client and one to the
 * upstream, with every message passed on as it is.
 *
 *   upgrade ─▶ route, policies ─▶ upstream accepts ─▶ client is accepted ─▶ messages both ways ─▶ either closes, both close
 *
 * The request has ended when they have closed.
 * While the client does not read, the upstream is not read. The native side cannot stop reading a client: one that sends
 * faster than its upstream takes is closed with 1013 once `socketBufferBytesMax` waits.
 */
import type { WebSocket as ClientSocket, HttpRequest, HttpResponse, us_socket_context_t } from 'uWebSockets.js';
import type { IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import type * as Ws from 'ws';
import type { WebSocket } from 'ws';
import { asSluiceError, SluiceError } from '#kernel';
import { firstVerdict, type Verdict } from '../policy.ts';
import { AddressRule, guardedLookup } from '../upstream/address.ts';
import type { Target } from '../upstream/target.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { chooseUpstream, hashKey } from './choice.ts';
import { type Ending, requestEnded } from './ending.ts';
import type { ListenerHost, LiveRoute } from './live-table.ts';
import { upstreamError, writeProblem, writeWhole } from './problem.ts';
import { RequestHead } from './request-head.ts';

const require = createRequire(import.meta.url);
const GOING_AWAY = 1001;
const NO_STATUS = 1005;
const ABNORMAL = 1006;
const BROKEN = 1011;
const TRY_AGAIN = 1013;

/** Of an upgrade that got no further than its head. */
const NOTHING_PASSED = {
  code: undefined,
  upstream: undefined,
  target: undefined,
  attempts: 0,
  requestBytes: 0,
  answerBytes: 0,
  upstreamMs: undefined,
  beganAt: 0,
  elapsedMs: 0,
};

/** The library of the sockets to upstreams, loaded with the first table that has a route for them. */
export const webSockets = () => require('ws') as typeof Ws;

/** How far an upgrade came. */
interface Reached {
  upstream?: string;
  target?: string;
  attempts?: number;
}

export interface TunnelData {
  readonly tunnel: Tunnel;
}

export class Tunnel {
  readonly #upstream: WebSocket;
  readonly #host: ListenerHost;
  readonly #release: () => void;
  #client: ClientSocket<TunnelData> | undefined;
  /** What came before the client's socket was there: within one turn. */
  #early: [data: Buffer, binary: boolean][] = [];
  #closed = false;
  #clientBytes = 0;
  #upstreamBytes = 0;
  readonly #ended: (requestBytes: number, answerBytes: number) => void;

  /** @param ended called once, with the bytes of messages that went each way */
  constructor(
    upstream: WebSocket,
    host: ListenerHost,
    release: () => void,
    ended: (requestBytes: number, answerBytes: number) => void,
  ) {
    this.#upstream = upstream;
    this.#host = host;
    this.#release = release;
    this.#ended = ended;
    upstream.on('message', (data, binary) => this.#fromUpstream(data as Buffer, binary));
    upstream.on('close', (code, reason) => this.#upstreamClosed(code, reason));
    upstream.on('error', () => upstream.terminate());
  }

  opened(client: ClientSocket<TunnelData>): void {
    this.#client = client;
    for (const [data, binary] of this.#early) this.#fromUpstream(data, binary);
    this.#early = [];
  }

  #fromUpstream(data: Buffer, binary: boolean): void {
    if (this.#closed) return;
    const client = this.#client;
    if (client === undefined) {
      this.#early.push([data, binary]);
      return;
    }
    this.#upstreamBytes += data.length;
    client.send(data, binary);
    if (client.getBufferedAmount() > this.#host.settings.limits.socketBufferBytesMax) this.#upstream.pause();
  }

  drained(): void {
    if (!this.#closed && this.#upstream.isPaused) this.#upstream.resume();
  }

  fromClient(message: ArrayBuffer, binary: boolean): void {
    if (this.#closed) return;
    this.#clientBytes += message.byteLength;
    // The native buffer is dead after this call.
    this.#upstream.send(Buffer.from(message.slice(0)), { binary });
    if (this.#upstream.bufferedAmount > this.#host.settings.limits.socketBufferBytesMax) {
      this.#client?.end(TRY_AGAIN, 'the upstream takes it too slowly');
    }
  }

  #upstreamClosed(code: number, reason: Buffer): void {
    this.#release();
    if (this.#closed) return;
    this.#close();
    const sendable = code !== NO_STATUS && code !== ABNORMAL;
    this.#client?.end(sendable ? code : code === ABNORMAL ? BROKEN : 1000, reason);
  }

  clientClosed(code: number, reason: ArrayBuffer): void {
    if (this.#closed) return;
    this.#close();
    if (code === ABNORMAL || code === NO_STATUS) this.#upstream.close();
    else this.#upstream.close(code, Buffer.from(reason.slice(0)));
  }

  #close(): void {
    this.#closed = true;
    this.#ended(this.#clientBytes, this.#upstreamBytes);
  }

  /** The gateway goes down. */
  shutDown(): void {
    this.#client?.end(GOING_AWAY, 'the gateway is going down');
  }
}

/** Answers an upgrade: with the upstream's consent and a tunnel, or with a problem. */
export function upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t, host: ListenerHost): void {
  const startedAt = host.clock.monotonic();
  let gone = false;
  let upstreamSocket: WebSocket | undefined;
  let live: LiveRoute | undefined;
  const reached: Reached = {};
  const ended = (status: number, further: Partial<Ending> = {}) =>
    requestEnded(host, head, live, startedAt, {
      ...NOTHING_PASSED,
      ...reached,
      reached: reached.attempts === 1,
      status,
      ...further,
    });
  res.onAborted(() => {
    if (!gone) ended(0);
    gone = true;
    upstreamSocket?.terminate();
  });
  const head = new RequestHead(res, req, host);
  const key = head.header('sec-websocket-key') ?? '';
  const refuse = (thrown: unknown) => {
    if (gone) return;
    gone = true;
    const error = asSluiceError(thrown);
    ended(error.status, { code: error.code });
    // In a later turn, as the exchange does, and for the same reason.
    setImmediate(() => res.cork(() => writeProblem(res, error, head.method, true, head.problemHeaders())));
  };
  const proceed = (verdict: Verdict) => {
    if (gone) return;
    if (verdict instanceof SluiceError) return refuse(verdict);
    if (verdict !== undefined) {
      gone = true;
      ended(verdict.status);
      setImmediate(() => res.cork(() => writeWhole(res, verdict, head.method, true, head.answerHeaders)));
      return;
    }
    upstreamSocket = connectUpstream(head, host, reached, refuse, (socket, protocol, release) => {
      if (gone) return socket.terminate();
      gone = true;
      const upstreamMs = host.clock.monotonic() - startedAt;
      const tunnel = new Tunnel(socket, host, release, (requestBytes, answerBytes) =>
        ended(101, { requestBytes, answerBytes, upstreamMs }),
      );
      // Not corked: at the end of a cork the native side looks at the response once more, which by then is a WebSocket.
      res.upgrade<TunnelData>({ tunnel }, key, protocol, '', context);
    });
  };
  try {
    live = head.resolve();
    if (!live.named.spec.websocket) throw new SluiceError('UPGRADE_REFUSED', 'this route takes no WebSockets');
    const verdict = admit(live, head);
    if (verdict instanceof Promise) verdict.then(proceed, refuse);
    else proceed(verdict);
  } catch (error) {
    refuse(error);
  }
}

/** An upgrade has no body, but some policies that wait for one say who calls. */
function admit({ plan }: LiveRoute, head: RequestHead): Verdict | Promise<Verdict> {
  const steps = [...plan.heads, ...plan.bodies.filter(({ step }) => step.always === true)];
  head.body = Buffer.alloc(0);
  return firstVerdict(steps, ({ step }) => step.check(head));
}

/** @throws UPSTREAM_UNAVAILABLE, UPSTREAM_BUSY */
function connectUpstream(
  head: RequestHead,
  host: ListenerHost,
  reached: Reached,
  refuse: (error: unknown) => void,
  accepted: (socket: WebSocket, protocol: string, release: () => void) => void,
): WebSocket {
  const name = chooseUpstream(head);
  reached.upstream = name;
  const upstream = host.table.upstream(name);
  const target = upstream?.pick(hashKey(upstream.spec, head), [], false) ?? 'down';
  if (upstream === undefined || typeof target === 'string') {
    throw new SluiceError(
      target === 'busy' ? 'UPSTREAM_BUSY' : 'UPSTREAM_UNAVAILABLE',
      `upstream ${name} takes nothing`,
    );
  }
  reached.target = target.url;
  reached.attempts = 1;
  const release = occupy(target);
  const socket = open(head, upstream, target, host);
  let settled = false;
  const failed = (error: Error) => {
    if (settled) return;
    settled = true;
    release();
    upstream.learned(target, error instanceof SluiceError ? undefined : false);
    refuse(upstreamError(error, name));
  };
  socket.once('open', () => {
    settled = true;
    upstream.learned(target, true);
    accepted(socket, socket.protocol, release);
  });
  socket.once('unexpected-response', (_request, response: IncomingMessage) => {
    response.resume();
    failed(new SluiceError('UPGRADE_REFUSED', `upstream ${name} answered ${response.statusCode} instead of upgrading`));
    socket.terminate();
  });
  socket.on('error', failed);
  return socket;
}

function occupy(target: Target): () => void {
  let held = true;
  target.inFlight++;
  target.breaker.begin();
  return () => {
    if (held) target.inFlight--;
    held = false;
  };
}

function open(head: RequestHead, { spec }: Upstream, target: Target, host: ListenerHost): WebSocket {
  const headers: Record<string, string> = {};
  const flat = head.forwarded(true);
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    headers[name] = name in headers ? `${headers[name]}, ${flat[i + 1]}` : (flat[i + 1] as string);
  }
  headers['host'] = spec.pass_host ? (head.header('host') ?? target.host) : target.host;
  const protocols = (head.header('sec-websocket-protocol') ?? '').split(',').map((one) => one.trim());
  const lookup = guardedLookup(new AddressRule(spec.networks));
  const { headers_ms } = head.route.spec;
  const { WebSocket: NewSocket } = webSockets();
  return new NewSocket(
    `${target.url.replace(/^http/, 'ws')}${head.target()}`,
    protocols.filter((one) => one !== ''),
    {
      headers,
      lookup,
      perMessageDeflate: false,
      followRedirects: false,
      handshakeTimeout: headers_ms,
      maxPayload: host.settings.limits.gatewayMessageBytesMax,
    },
  );
}
