/** How one server is connected to: one for each target, shared by its connections. */
import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import type { guardedLookup } from './address.ts';

const PROBE_AFTER_MS = 60_000;

/** Nothing was sent, since there was no connection. Its code is that of its cause. */
export class ConnectFailure extends Error {
  readonly code: string;

  constructor(message: string, code: string, cause?: Error) {
    super(message, { cause });
    this.code = code;
  }
}

export interface OriginOptions {
  readonly connectMs: number;
  readonly lookup: ReturnType<typeof guardedLookup>;
}

export class Origin {
  readonly #secure: boolean;
  readonly #host: string;
  readonly #port: number;
  readonly #options: OriginOptions;
  /** The newest, so that a further connection costs no full handshake. */
  #session: Buffer | undefined;

  constructor({ protocol, hostname, port }: URL, options: OriginOptions) {
    this.#secure = protocol === 'https:';
    this.#host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    this.#port = Number(port || (this.#secure ? 443 : 80));
    this.#options = options;
  }

  /** @param connected called once; `failed` instead, when it could not be, and the socket is done with */
  connect(onread: OnReadOpts, connected: () => void, failed: (error: ConnectFailure) => void): Socket {
    const { connectMs, lookup } = this.#options;
    const common = { host: this.#host, port: this.#port, lookup, onread };
    const socket = this.#secure ? this.#secured(common) : connectPlain(common);
    socket.setNoDelay(true).setKeepAlive(true, PROBE_AFTER_MS);
    const fail = (error: ConnectFailure) => {
      clearTimeout(timer);
      socket
        .off('error', refused)
        .on('error', () => undefined)
        .destroy();
      failed(error);
    };
    const refused = (error: Error) => fail(new ConnectFailure(error.message, codeOf(error), error));
    const timer = setTimeout(() => fail(new ConnectFailure('no connection in time', 'CONNECT_TIMEOUT')), connectMs);
    socket.once('error', refused).once('close', () => clearTimeout(timer));
    socket.once(this.#secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      socket.off('error', refused);
      connected();
    });
    return socket;
  }

  #secured(common: { host: string; port: number; onread: OnReadOpts; lookup: OriginOptions['lookup'] }): Socket {
    const socket = connectSecure({
      ...common,
      // An address has no name to be asked for.
      ...(isIP(this.#host) === 0 ? { servername: this.#host } : {}),
      ...(this.#session === undefined ? {} : { session: this.#session }),
      ALPNProtocols: ['http/1.1'],
    });
    return socket.on('session', (session: Buffer) => {
      this.#session = session;
    });
  }
}

/** Of several addresses that were tried, each has failed: the first tells why. */
function codeOf(error: Error): string {
  const { code, errors } = error as { code?: unknown; errors?: readonly { code?: unknown }[] };
  return String(code ?? errors?.[0]?.code ?? '');
}
